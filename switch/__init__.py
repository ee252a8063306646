"""An asyncio payment switch."""
