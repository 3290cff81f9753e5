// A member on matrix-js-sdk with its Rust crypto, driven over standard input and output.
//
// Rules guarded here:
// - It keeps to signed devices only: it neither sends keys to nor reads devices that their owner has not signed.
// - Its own cross-signing exists before anyone can see its device.
// - Standard output carries one JSON object a line and nothing else; whatever the SDK logs goes to standard error.
// - It ends when standard input ends.
//
// In: {"id": 1, "do": "send", ...arguments}. Out: {"reply": 1, "result": {...}} or {"reply": 1, "error": {...}},
// and, at any time, {"event": "message" | "invite" | ...}. tests/live/member.py speaks the other side, and
// tests/live/nio_member.py is the same member on another SDK.

import { createInterface } from "node:readline";
import { format } from "node:util";

const toStandardError = (...parts) => process.stderr.write(`${format(...parts)}\n`);
for (const name of ["warn", "error"]) console[name] = toStandardError;
for (const name of ["log", "info", "debug", "trace"]) console[name] = () => {};
process.on("unhandledRejection", (reason) => toStandardError("unhandled rejection:", reason));

const sdk = await import("matrix-js-sdk");
const {
    CryptoEvent,
    EventShieldColour,
    EventShieldReason,
    OnlySignedDevicesIsolationMode,
    VerificationPhase,
    VerificationRequestEvent,
    VerifierEvent,
} = await import("matrix-js-sdk/lib/crypto-api/index.js");

const LONGEST_WAIT = 60_000;
const PHASES = Object.fromEntries(Object.entries(VerificationPhase).map(([name, number]) => [number, name]));

let client;
let me;

function put(line) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Resolve with what `look` gives once that is truthy, looking again at each of the client's events named. */
function once(emitter, names, look, what, milliseconds = LONGEST_WAIT) {
    return new Promise((resolve, reject) => {
        const finish = (settle, value) => {
            clearTimeout(timer);
            for (const name of names) emitter.off(name, check);
            settle(value);
        };
        const timer = setTimeout(() => finish(reject, new Error(`${what} did not come`)), milliseconds);
        const check = () => {
            try {
                const found = look();
                if (found) finish(resolve, found);
            } catch (error) {
                finish(reject, error);
            }
        };
        for (const name of names) emitter.on(name, check);
        check();
    });
}

// ---- what it sees

const unread = new Set(); // ids of events that could not be decrypted when they came
const reported = new Set();

async function describe(event) {
    const content = event.getContent();
    const relation = event.getWireContent()["m.relates_to"] ?? content["m.relates_to"] ?? null;
    const failed = event.isDecryptionFailure();
    let shield = null;
    if (event.isEncrypted() && !failed) {
        const information = await client.getCrypto().getEncryptionInfoForEvent(event);
        if (information && information.shieldColour !== EventShieldColour.NONE)
            shield = {
                color: EventShieldColour[information.shieldColour].toLowerCase(),
                reason: EventShieldReason[information.shieldReason] ?? null,
            };
    }
    return {
        room: event.getRoomId(),
        event_id: event.getId(),
        sender: event.getSender(),
        type: failed ? "m.room.encrypted" : event.getType(),
        msgtype: failed ? null : (content.msgtype ?? null),
        body: failed ? null : (content.body ?? null),
        formatted_body: failed ? null : (content.formatted_body ?? null),
        encrypted: event.isEncrypted(),
        shield,
        failure: failed ? String(event.decryptionFailureReason) : null,
        relation,
        timestamp: event.getTs(),
    };
}

/** Whether the event belongs to a verification, which is no message to a person and is reported as it moves. */
function isVerification(event) {
    return (
        event.getType().startsWith("m.key.verification.") ||
        event.getContent().msgtype === "m.key.verification.request"
    );
}

async function report(event) {
    const id = event.getId();
    const failed = event.isDecryptionFailure();
    if (event.isRedacted() || isVerification(event)) return;
    if (reported.has(id) && (failed || !unread.has(id))) return;
    reported.add(id);
    if (failed) unread.add(id);
    else unread.delete(id);
    const message = await describe(event);
    if (message.type === "m.reaction") put({ event: "reaction", ...message, key: message.relation?.key ?? null });
    else put({ event: "message", ...message });
}

function watch() {
    client.on(sdk.RoomEvent.Timeline, async (event, room, toStart, removed, data) => {
        if (toStart || removed || event.isState() || event.getType() === "m.room.redaction") return;
        if (event.getSender() === me) return;
        if (event.isEncrypted()) await client.decryptEventIfNeeded(event);
        await report(event);
    });
    client.on(sdk.MatrixEventEvent.Decrypted, async (event) => {
        if (unread.has(event.getId()) && !event.isDecryptionFailure()) await report(event);
    });
    client.on(sdk.RoomEvent.MyMembership, (room, membership) => {
        if (membership === "invite") {
            const own = room.currentState.getStateEvents("m.room.member", me);
            put({
                event: "invite",
                room: room.roomId,
                sender: own?.getSender() ?? null,
                direct: own?.getContent().is_direct === true,
                encrypted: room.currentState.getStateEvents("m.room.encryption", "") !== null,
            });
        } else put({ event: "own_membership", room: room.roomId, membership });
    });
    client.on(sdk.RoomStateEvent.Events, (event) => {
        const shared = { room: event.getRoomId(), event_id: event.getId(), sender: event.getSender() };
        if (event.getType() === "m.room.member")
            put({
                event: "membership",
                ...shared,
                user: event.getStateKey(),
                membership: event.getContent().membership ?? null,
            });
        else
            put({
                event: "state",
                ...shared,
                type: event.getType(),
                state_key: event.getStateKey(),
                content: event.getContent(),
            });
    });
    client.on(sdk.RoomEvent.Redaction, (event, room) => {
        put({ event: "redaction", room: room.roomId, sender: event.getSender(), redacts: event.getAssociatedId() });
    });
    client.on(CryptoEvent.VerificationRequestReceived, (request) => {
        follow(request).catch((error) => toStandardError("verification failed:", error));
    });
}

// ---- verification

/** Go through a verification by emoji to its end; both sides come through here.
 *
 * What is shown is answered by `answer`: "confirm", or "mismatch" or "cancel", which end it.
 */
async function follow(request, answer = "confirm") {
    const say = (more = {}) =>
        put({
            event: "verification",
            user: request.otherUserId,
            room: request.roomId ?? null,
            ours: request.initiatedByMe,
            phase: PHASES[request.phase].toLowerCase(),
            ...more,
        });
    request.on(VerificationRequestEvent.Change, () => say());
    if (!request.initiatedByMe) await request.accept();
    const reaches = (phases, what) =>
        once(
            request,
            [VerificationRequestEvent.Change],
            () => {
                if (request.phase === VerificationPhase.Cancelled)
                    throw new Error(`cancelled: ${request.cancellationCode}`);
                return phases.includes(request.phase);
            },
            what,
        );
    await reaches([VerificationPhase.Ready, VerificationPhase.Started, VerificationPhase.Done], "ready");
    let verifier = request.verifier;
    if (!verifier && request.initiatedByMe) verifier = await request.startVerification("m.sas.v1");
    if (!verifier) {
        await reaches([VerificationPhase.Started], "start");
        verifier = request.verifier;
    }
    let emoji = null;
    const show = async (callbacks) => {
        emoji = (callbacks.sas.emoji ?? []).map(([picture, name]) => ({ picture, name }));
        say({ emoji, decimal: callbacks.sas.decimal ?? null });
        await callbacks[answer]();
    };
    verifier.on(VerifierEvent.ShowSas, show);
    const shown = verifier.getShowSasCallbacks();
    if (shown) await show(shown);
    try {
        await verifier.verify();
    } catch (error) {
        if (answer === "confirm") throw error;
        return { emoji, phase: "cancelled" };
    }
    await reaches([VerificationPhase.Done], "done");
    return { emoji, phase: "done" };
}

async function withDeadline(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what} did not end within ${LONGEST_WAIT} ms`)), LONGEST_WAIT);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

// ---- what it does

function room(id) {
    const found = client.getRoom(id);
    if (!found) throw new Error(`${id} is not a room of this member's`);
    return found;
}

/** A room that this client knows to be encrypted; it waits for a sync that is on its way. */
async function encryptedRoom(id) {
    await once(
        client,
        [sdk.ClientEvent.Room, sdk.RoomStateEvent.Events, sdk.RoomEvent.MyMembership],
        () => {
            const found = client.getRoom(id);
            if (["leave", "ban"].includes(found?.getMyMembership())) throw new Error(`we are no longer in ${id}`);
            return (
                found?.getMyMembership() === "join" && found.currentState.getStateEvents("m.room.encryption", "")
            );
        },
        `an encrypted room ${id} that we are in`,
        LONGEST_WAIT / 2,
    );
    return room(id);
}

/** Wait until the SDK has somebody's identity, or their device: it asks for them beside everything else. */
async function acquainted(crypto, user, device_id) {
    const end = Date.now() + LONGEST_WAIT / 2;
    for (;;) {
        await crypto.getUserDeviceInfo([user], true);
        const known = device_id
            ? await crypto.getDeviceVerificationStatus(user, device_id)
            : await crypto.userHasCrossSigningKeys(user);
        if (known) return;
        if (Date.now() > end) throw new Error(`${user} is not known, or shares no encrypted room with us`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

async function put_event(id, type, content) {
    const path = `/rooms/${encodeURIComponent(id)}/send/${encodeURIComponent(type)}/${client.makeTxnId()}`;
    const answer = await client.http.authedRequest(sdk.Method.Put, path, undefined, content);
    return { event_id: answer.event_id };
}

/** Make this account's cross-signing identity and sign this device with it. */
async function crossSign(crypto, password) {
    await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: async (upload) => {
            try {
                await upload(null);
            } catch (error) {
                if (error.httpStatus !== 401 || !error.data?.session) throw error;
                await upload({
                    type: "m.login.password",
                    identifier: { type: "m.id.user", user: me },
                    password,
                    session: error.data.session,
                });
            }
        },
    });
}

const commands = {
    async login({ url, user, password, device_id = undefined, signed = true }) {
        const door = sdk.createClient({ baseUrl: url });
        const login = await door.loginRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user },
            password,
            device_id,
        });
        me = login.user_id;
        client = sdk.createClient({
            baseUrl: url,
            accessToken: login.access_token,
            userId: me,
            deviceId: login.device_id,
        });
        await client.initRustCrypto({ useIndexedDB: false });
        const crypto = client.getCrypto();
        crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
        if (signed) await crossSign(crypto, password);
        watch();
        await client.startClient({ initialSyncLimit: 50 });
        await once(client, [sdk.ClientEvent.Sync], () => client.getSyncState() === "PREPARED", "the first sync");
        return { user_id: me, device_id: login.device_id };
    },

    async create_dm({ user, preset = "trusted_private_chat", encrypted = true }) {
        const initial_state = encrypted
            ? [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }]
            : [];
        const { room_id } = await client.createRoom({ preset, is_direct: true, invite: [user], initial_state });
        const direct = client.getAccountData("m.direct")?.getContent() ?? {};
        await client.setAccountData("m.direct", { ...direct, [user]: [...(direct[user] ?? []), room_id] });
        if (encrypted) await encryptedRoom(room_id);
        return { room: room_id };
    },

    async join({ room: id, via = undefined }) {
        await client.joinRoom(id, { viaServers: via });
        await once(
            client,
            [sdk.ClientEvent.Room, sdk.RoomEvent.MyMembership],
            () => client.getRoom(id)?.getMyMembership() === "join",
            `the sync that shows us in ${id}`,
        );
        return { room: id };
    },

    async leave({ room: id }) {
        await client.leave(id);
        return {};
    },

    async forget({ room: id }) {
        await client.forget(id);
        return {};
    },

    async invite({ room: id, user }) {
        await client.invite(id, user);
        return {};
    },

    async send({ room: id, body, msgtype = "m.text", reply_to = null, thread = null }) {
        await encryptedRoom(id);
        const content = { msgtype, body };
        if (thread) content["m.relates_to"] = { rel_type: "m.thread", event_id: thread };
        if (reply_to)
            content["m.relates_to"] = { ...content["m.relates_to"], "m.in_reply_to": { event_id: reply_to } };
        const { event_id } = await client.sendEvent(id, "m.room.message", content);
        return { event_id };
    },

    async send_event({ room: id, type, content, encrypt = true }) {
        if (!encrypt) return await put_event(id, type, content);
        await encryptedRoom(id);
        const { event_id } = await client.sendEvent(id, type, content);
        return { event_id };
    },

    async send_plain({ room: id, body, msgtype = "m.text" }) {
        return await put_event(id, "m.room.message", { msgtype, body });
    },

    async edit({ room: id, event_id, body }) {
        const content = {
            "msgtype": "m.text",
            "body": `* ${body}`,
            "m.new_content": { msgtype: "m.text", body },
            "m.relates_to": { rel_type: "m.replace", event_id },
        };
        const answer = await client.sendEvent(id, "m.room.message", content);
        return { event_id: answer.event_id };
    },

    async react({ room: id, event_id, key }) {
        const relation = { "m.relates_to": { rel_type: "m.annotation", event_id, key } };
        const answer = await client.sendEvent(id, "m.reaction", relation);
        return { event_id: answer.event_id };
    },

    async redact({ room: id, event_id }) {
        const answer = await client.redactEvent(id, event_id);
        return { event_id: answer.event_id };
    },

    async read_file({ room: id, event_id }) {
        const { body, file } = room(id).findEventById(event_id).getContent();
        const [server, media] = file.url.slice("mxc://".length).split("/");
        const path = `/media/download/${encodeURIComponent(server)}/${encodeURIComponent(media)}`;
        const answer = await client.http.authedRequest(sdk.Method.Get, path, undefined, undefined, {
            prefix: "/_matrix/client/v1",
            rawResponseBody: true,
        });
        const stored = await answer.arrayBuffer();
        const hash = Buffer.from(await crypto.subtle.digest("SHA-256", stored));
        if (!hash.equals(Buffer.from(file.hashes.sha256, "base64"))) throw new Error("the file was changed");
        const key = await crypto.subtle.importKey("jwk", file.key, "AES-CTR", false, ["decrypt"]);
        const counter = Buffer.from(file.iv, "base64");
        const plaintext = await crypto.subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, key, stored);
        return { name: body, text: Buffer.from(plaintext).toString("utf8") };
    },

    async messages({ room: id }) {
        const events = room(id)
            .getLiveTimeline()
            .getEvents()
            .filter((event) => !event.isState() && !event.isRedacted() && event.getType() !== "m.room.redaction");
        return { messages: await Promise.all(events.map(describe)) };
    },

    async rooms() {
        return { rooms: Object.fromEntries(client.getRooms().map((one) => [one.roomId, one.getMyMembership()])) };
    },

    async members({ room: id }) {
        const { chunk } = await client.members(id);
        return {
            members: Object.fromEntries(chunk.map((event) => [event.state_key, event.content.membership ?? null])),
        };
    },

    async room_state({ room: id }) {
        const state = await client.roomState(id);
        return {
            state: state.map(({ type, state_key, sender, content }) => ({ type, state_key, sender, content })),
        };
    },

    async devices({ user }) {
        const crypto = client.getCrypto();
        const devices = (await crypto.getUserDeviceInfo([user], true)).get(user) ?? new Map();
        const identity = await crypto.getUserVerificationStatus(user);
        const list = [];
        for (const device_id of devices.keys()) {
            const status = await crypto.getDeviceVerificationStatus(user, device_id);
            // The SDK keeps the keys of those with whom it shares an encrypted room, and of nobody else.
            if (!status) throw new Error(`${device_id} of ${user} is not known yet, or shares no room with us`);
            list.push({ device_id, signed: status.signedByOwner });
        }
        return { devices: list, verified: identity.isCrossSigningVerified() };
    },

    async verify({ user, room: id = null, device_id = null, answer = "confirm" }) {
        const crypto = client.getCrypto();
        let request;
        if (!device_id) {
            if (!id) throw new Error("verify needs the room of the direct message, or a device");
            await encryptedRoom(id);
        }
        await acquainted(crypto, user, device_id);
        if (device_id) {
            request = await crypto.requestDeviceVerification(user, device_id);
        } else {
            request = await crypto.requestVerificationDM(user, id);
        }
        return await withDeadline(follow(request, answer), "the verification");
    },

    async logout() {
        await client.logout(true);
        return {};
    },

    async quit() {
        client?.stopClient();
        return {};
    },
};

function blame(error) {
    return {
        message: String(error?.message ?? error),
        status: error?.httpStatus ?? null,
        errcode: error?.errcode ?? null,
    };
}

async function obey(line) {
    const { id, do: name, ...given } = JSON.parse(line);
    try {
        if (!Object.hasOwn(commands, name)) throw new Error(`no command is called ${name}`);
        put({ reply: id, result: await commands[name](given) });
    } catch (error) {
        toStandardError(name, error);
        put({ reply: id, error: blame(error) });
    }
    if (name === "quit") process.exit(0);
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void obey(line));
lines.on("close", () => process.exit(0));
put({ event: "started", sdk: "matrix-js-sdk", node: process.version });
