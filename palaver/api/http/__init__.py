"""What REST, WHIP, WHEP and the page share: answers and errors, the body reader, ids, the portal's address."""
