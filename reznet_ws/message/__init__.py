"""An event on its way to text: fields, payload, packet, batch, formats. Pure."""
