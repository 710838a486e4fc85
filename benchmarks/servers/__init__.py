"""The servers that are compared: processes that emit what the load tells them to.

In: a messages file, and commands on a control connection. Out: both ports in one line of JSON on stdout.
Never: measures anything; whoever watches the process does.
"""
