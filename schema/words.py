"""The one list of words that two stewards compare: each is a byte, the first is 0.

Guards: 256 things that everybody has a plain word for, and none that hurts; no two begin with the same four
letters, and none sounds like another but for one sound, so that they can be read out over a bad line. The
order never changes. A program may show its own language's word beside each, never in its place.
"""

WORDS = tuple(
    """
acorn airport almond anchor apple arrow artist autumn avocado bakery balcony bamboo banana basket beach bell
bicycle blanket boat book bottle bread bridge broom bucket butter cabin cactus camel candle canoe carpet
carrot ceiling chair cheese chimney cinema circle city clarinet clock cloud coast coconut coffee compass
cookie coral corner cotton crown cucumber cupboard dance desert diamond dinner dolphin donkey doorbell
dragon drum duck eagle earring elbow elephant engine envelope evening falcon farmer feather fence finger
fireplace flag flute forest fork fountain frog garden garlic ginger giraffe glass glove gold goose grape
guitar hammer hedge helmet honey horse hotel house iceberg igloo island jacket jungle kayak kettle keyboard
kitchen kite koala ladder lake lamp lantern lavender leaf lemon letter library lion lizard lobster lunch
magnet mango maple marble market meadow melon milk mirror monkey moon morning museum mushroom music mustard
napkin needle newspaper notebook nurse nutmeg oasis ocean octopus office onion orange organ ostrich oven
oyster painter palace pancake panda paper peanut pebble pencil penguin piano picnic pigeon pillow pilot
planet plate pocket poem pony potato pumpkin puppet puzzle pyramid queen quilt rabbit radio railway rainbow
raisin ribbon river rope ruby salad salmon saturn scarf school scissors shadow sheep shovel shower silver
skirt sleeve snail snow sofa song soup spider spinach spoon spring squirrel star station stone street sugar
summer swan sweater teacher teapot tennis thunder ticket tiger tomato tractor train tree triangle trumpet
tulip tunnel turtle umbrella valley village violin visitor volcano waffle wagon walnut water whale wheat
whistle window winter wolf yogurt zebra zipper
""".split()  # noqa: SIM905 (A list of quoted words, one a line, can't be read over.)
)
