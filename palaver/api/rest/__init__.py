"""The management API: OWT's REST resources over Starlette, one file per resource."""
