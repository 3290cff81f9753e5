"""Cities that the tz database does not name, by the IANA zone whose clock they show.

Guards: a name that cities of several zones have stands at each of them, so that the person is asked which.

The database names one city for each clock, and not the largest of a land; many a member lives in another. The
names are plain (`service.core.cities.plain`), in the land's own spelling and in English where that differs.
"""

from collections.abc import Mapping, Sequence

TOWNS: Mapping[str, Sequence[str]] = {
    zone: tuple(name.strip() for name in names.split(","))
    for zone, names in {
        "Africa/Cairo": "alexandria, alejandria, giza, guiza",
        "Africa/Casablanca": "rabat, marrakesh, marrakech, fez, tangier, tanger, agadir",
        "Africa/Johannesburg": "cape town, ciudad del cabo, durban, pretoria, port elizabeth, soweto",
        "Africa/Lagos": "abuja, kano, ibadan, port harcourt",
        "Africa/Nairobi": "mombasa, kisumu",
        "Africa/Algiers": "oran, constantine",
        "Africa/Accra": "kumasi",
        "America/Argentina/Buenos_Aires": "la plata, mar del plata, bahia blanca",
        "America/Argentina/Cordoba": "santa fe, parana",
        "America/Bogota": "medellin, cali, barranquilla, cartagena, bucaramanga, pereira",
        "America/Caracas": "maracaibo, valencia, barquisimeto, merida",
        "America/Asuncion": "concepcion, ciudad del este",
        "America/Costa_Rica": "san jose",
        "America/Managua": "granada, leon",
        "America/Chicago": (
            "houston, dallas, austin, san antonio, minneapolis, new orleans, nueva orleans, st louis, "
            "kansas city, milwaukee, memphis, nashville, birmingham, oklahoma city, fort worth"
        ),
        "America/Denver": "salt lake city, albuquerque, santa fe, colorado springs, el paso",
        "America/Edmonton": "calgary",
        "America/Guayaquil": "quito, cuenca",
        "America/Guatemala": "ciudad de guatemala, guatemala city",
        "America/La_Paz": "santa cruz, santa cruz de la sierra, cochabamba",
        "America/Lima": "arequipa, cusco, cuzco",
        "America/Los_Angeles": (
            "san francisco, san diego, seattle, portland, oakland, sacramento, las vegas, san jose, long "
            "beach"
        ),
        "America/Mexico_City": (
            "guadalajara, puebla, leon, queretaro, oaxaca, veracruz, toluca, san luis potosi, morelia, cdmx"
        ),
        "America/New_York": (
            "boston, philadelphia, filadelfia, washington, washington dc, miami, atlanta, baltimore, "
            "pittsburgh, cleveland, charlotte, orlando, tampa, brooklyn, buffalo, cincinnati, columbus, "
            "raleigh, portland, cambridge, toledo"
        ),
        "America/Phoenix": "tucson",
        "America/Santiago": "valparaiso, concepcion, vina del mar, temuco",
        "America/Sao_Paulo": (
            "rio de janeiro, rio, belo horizonte, brasilia, porto alegre, curitiba, florianopolis, campinas"
        ),
        "America/Toronto": "montreal, ottawa, quebec, hamilton",
        "America/Vancouver": "victoria",
        "Asia/Baghdad": "basra, mosul, erbil",
        "Asia/Bangkok": "chiang mai",
        "Asia/Dhaka": "chittagong, chattogram",
        "Asia/Ho_Chi_Minh": "hanoi, da nang",
        "Asia/Jerusalem": "tel aviv, haifa",
        "Asia/Karachi": "lahore, islamabad, hyderabad, rawalpindi, faisalabad, peshawar",
        "Asia/Kolkata": (
            "delhi, new delhi, nueva delhi, mumbai, bombay, bangalore, bengaluru, chennai, madras, "
            "hyderabad, pune, ahmedabad, jaipur, kochi, lucknow"
        ),
        "Asia/Manila": "quezon city, cebu, davao",
        "Asia/Riyadh": "jeddah, mecca, medina",
        "Asia/Seoul": "busan, incheon, daegu",
        "Asia/Shanghai": (
            "beijing, peking, pekin, guangzhou, canton, shenzhen, chengdu, wuhan, tianjin, nanjing, "
            "hangzhou, xian"
        ),
        "Asia/Taipei": "kaohsiung, taichung",
        "Asia/Tehran": "isfahan, shiraz, mashhad, tabriz",
        "Asia/Tokyo": "osaka, kyoto, kioto, yokohama, nagoya, sapporo, fukuoka, kobe, hiroshima",
        "Asia/Jakarta": "bandung, surabaya, yogyakarta",
        "Australia/Brisbane": "gold coast, cairns",
        "Australia/Sydney": "canberra, newcastle, wollongong",
        "Europe/Amsterdam": "rotterdam, utrecht, the hague, den haag, la haya, eindhoven, groningen",
        "Europe/Athens": "thessaloniki, salonica, piraeus, patras",
        "Europe/Berlin": (
            "hamburg, hamburgo, munich, munchen, muenchen, cologne, koln, koeln, colonia, frankfurt, "
            "francfort, stuttgart, dusseldorf, duesseldorf, leipzig, dresden, dresde, hannover, hanover, "
            "bremen, nuremberg, nurnberg, essen, dortmund, freiburg, heidelberg, bonn"
        ),
        "Europe/Brussels": (
            "antwerp, antwerpen, amberes, ghent, gent, liege, lieja, bruges, brugge, brujas, leuven"
        ),
        "Europe/Bucharest": "cluj, cluj napoca, timisoara, iasi",
        "Europe/Copenhagen": "aarhus, odense",
        "Europe/Dublin": "cork, galway, limerick",
        "Europe/Helsinki": "tampere, turku, espoo",
        "Europe/Istanbul": "ankara, izmir, bursa, antalya",
        "Europe/Kyiv": "lviv, kharkiv, odesa, odessa, dnipro",
        "Europe/Lisbon": "porto, oporto, coimbra, braga, faro",
        "Europe/London": (
            "manchester, birmingham, liverpool, leeds, glasgow, edinburgh, edimburgo, bristol, cardiff, "
            "belfast, sheffield, newcastle, nottingham, brighton, oxford, cambridge, leicester, "
            "southampton"
        ),
        "Europe/Madrid": (
            "barcelona, valencia, sevilla, seville, zaragoza, malaga, bilbao, bilbo, murcia, alicante, "
            "alacant, cordoba, valladolid, vigo, gijon, granada, a coruna, la coruna, vitoria, gasteiz, "
            "oviedo, pamplona, iruna, san sebastian, donostia, santander, palma, palma de mallorca, "
            "salamanca, cadiz, almeria, tarragona, girona, gerona, lleida, lerida, toledo, leon, cartagena, "
            "badalona, sabadell, terrassa, santiago de compostela, burgos, logrono, merida, huelva, jaen, "
            "cuenca, guadalajara"
        ),
        "Atlantic/Canary": (
            "las palmas, las palmas de gran canaria, santa cruz, santa cruz de tenerife, tenerife, la laguna"
        ),
        "Europe/Moscow": "st petersburg, saint petersburg, san petersburgo",
        "Europe/Oslo": "bergen, trondheim, stavanger",
        "Europe/Paris": (
            "marseille, marsella, lyon, toulouse, nice, niza, nantes, strasbourg, estrasburgo, montpellier, "
            "bordeaux, burdeos, lille, rennes, grenoble"
        ),
        "Europe/Prague": "brno, ostrava, plzen",
        "Europe/Rome": (
            "milan, milano, naples, napoli, napoles, turin, torino, palermo, genoa, genova, bologna, "
            "bolonia, florence, firenze, florencia, venice, venezia, venecia, verona, bari, catania, padua, "
            "padova, trieste"
        ),
        "Europe/Stockholm": "gothenburg, goteborg, gotemburgo, malmo, uppsala",
        "Europe/Vienna": "graz, linz, salzburg, salzburgo, innsbruck",
        "Europe/Warsaw": "krakow, cracow, cracovia, gdansk, wroclaw, poznan, lodz, katowice, lublin",
        "Europe/Zurich": (
            "geneva, geneve, ginebra, basel, basilea, bern, berne, berna, lausanne, lausana, lucerne"
        ),
        "Pacific/Auckland": "wellington, christchurch, hamilton, dunedin",
    }.items()
}
