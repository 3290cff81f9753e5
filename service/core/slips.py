"""Whether a word can be another that was mistyped.

Guards: one slip of the keys at most, so that what was meant is near enough to be said back, or asked about.
"""


def one_slip(said: str, word: str) -> bool:
    """Whether one letter is missing, too many or another, or two beside each other changed places."""
    while said and word and said[0] == word[0]:
        said, word = said[1:], word[1:]
    while said and word and said[-1] == word[-1]:
        said, word = said[:-1], word[:-1]
    return max(len(said), len(word)) == 1 or (len(said) == 2 and said == word[::-1])
