"""The token count of a text, near enough for limits and bills."""


def tokens_in(text: str) -> int:
    """Estimate at one token per four characters, rounded up, at least 1.

    Source:
        OpenAI help centre, "What are tokens and how to count them?".
    """
    return max(1, (len(text) + 3) // 4)
