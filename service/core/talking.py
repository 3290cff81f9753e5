"""How two people can talk: in which languages, and in writing or by voice.

Guards: nobody is asked about a request that they could not answer in a language, or in a way, that both
named; to welcome voice is a wish, and whoever only writes is asked too.
"""

from schema.records import Offer, Request, Talking


def common(request: Request, offer: Offer) -> Talking | None:
    """What the asker and the offer's member have in common; None where they could not talk.

    Whoever named no language, as where the community names none, is taken to talk in any.
    """
    languages = request.languages or offer.languages
    if request.languages and offer.languages:
        languages = tuple(one for one in request.languages if one in offer.languages)
        if not languages:
            return None
    voice = request.voice and offer.voice
    return Talking(languages, offer.writing, voice) if offer.writing or voice else None


def can(request: Request, offer: Offer) -> bool:
    """Whether the two have anything in common."""
    if not (offer.writing or (request.voice and offer.voice)):
        return False
    return not (request.languages and offer.languages) or not set(request.languages).isdisjoint(
        offer.languages
    )
