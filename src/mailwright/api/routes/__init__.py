"""The routes, one file for each noun."""

from mailwright.api.route import Route, routes_of
from mailwright.api.routes import accounts, audit, bulk, events, messages, suppressions, tokens, webhooks, workspaces


def all_routes() -> list[Route]:
    nouns = (messages, bulk, accounts, events, suppressions, webhooks, workspaces, tokens, audit)
    return [found for noun in nouns for found in routes_of(noun)]
