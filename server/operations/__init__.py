"""What operators do: see and steer what was learned, and look after sessions.

    plans       list, show, edit, pin, forget, export, import
    replay      a plan against a fork of a session, and against another version of itself
    explain     what would run for a request
    sessions    list, show, export, import, fork, reset, delete, salvage
    doctor      what the service stands on
    eject       a session's API as a project of its own
    api         all of them as one table of methods and paths

The same objects serve `/_meta/` of a running service and the `metaservice` command on a data root that no
service uses. Failures are ServiceErrors, as everywhere.
"""
