// Writes src/wire.gen.ts from wire.schema.json. `npm run wire` at the root.

import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const here = (name) => new URL(name, import.meta.url);
const { $ref, $defs, ...schema } = JSON.parse(await readFile(here("wire.schema.json"), "utf8"));
const root = $ref.replace("#/$defs/", "");
const { [root]: rootDefinition, ...others } = $defs;

// The generator does not follow a reference at the root: put the definition itself there.
const types = await compile({ ...schema, ...rootDefinition, $defs: others }, root, {
  bannerComment: "// Made from wire.schema.json by `npm run wire`; not to be edited.",
  unreachableDefinitions: true,
  ignoreMinAndMaxItems: true,
});
const noise =
  /\n \*(?:\n \*)? This interface was referenced by `\w+`'s JSON-Schema\n \* via the `definition` "\w+"\./g;
await writeFile(here("src/wire.gen.ts"), types.replaceAll(noise, "").replaceAll(/^\/\*\*\n \*\/\n/gm, ""));
