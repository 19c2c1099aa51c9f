"""Calls to other machines over HTTP, bounded in what they may reach, take and bring. Knows no product and no app.

`session.Session` is a session of requests over our adapter; `policy.AddressPolicy` says where it may lead; what can go wrong is in
`errors`.
"""
