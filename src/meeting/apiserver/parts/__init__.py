"""The hub's composition: each part builds the objects of a few subjects, and has their routes, services and sweeps.

A part takes the parts below it as arguments; `meeting.apiserver.service` puts them together.
"""
