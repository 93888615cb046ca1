import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const folder = "web/src/style";

describe("the style", () => {
  it("says in one file what a class looks like, so that no part changes another by accident", () => {
    const files = new Map<string, Set<string>>();
    for (const file of readdirSync(folder)) {
      const text = readFileSync(`${folder}/${file}`, "utf8");
      // Rules of their own for one class, alone or in a list, outside of media queries.
      for (const [, name] of text.matchAll(/^\.([\w-]+)(?= \{$|,$)/gm))
        if (name) files.set(name, (files.get(name) ?? new Set()).add(file));
    }
    expect(files.size).toBeGreaterThan(50);
    expect([...files].filter(([, where]) => where.size > 1).map(([name]) => name)).toEqual([]);
  });
});
