"""The HTTP APIs of analytics vendors, as their SDKs use them: one module each."""
