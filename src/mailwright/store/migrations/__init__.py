"""How the tables came to be what they are. Every migration stays for ever: databases of any age are brought up to date.

A new one: change `schema.py`, copy the newest file of `versions` under the next number, set `migrate.HEAD` to it.
Migrations say what they do in their own words and do not import `schema.py`, which goes on changing.
"""
