"""What all tests share: a busy machine must fail none of them."""

import hypothesis

hypothesis.settings.register_profile("repo", deadline=None)
hypothesis.settings.load_profile("repo")
