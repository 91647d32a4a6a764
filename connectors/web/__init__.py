"""One way to ask servers by HTTP, for every connector that does. By module:

- ``client`` asks, with retries and limits on size and time, and hands nothing that proves who we are to strangers
- ``pace`` how often a host is asked, and what it says of when to come again
- ``origins`` which addresses are the source's own, and which others may be asked
"""
