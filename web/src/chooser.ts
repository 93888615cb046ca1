/** The choice of a layout for the mixed view. */

import type { Template } from "./arrangement.js";
import { h } from "./dom.js";
import { type IconName, icons } from "./icons.js";

const CHOICES: readonly (readonly [Template, IconName, string])[] = [
  ["equal", "equal", "Equal"],
  ["large", "large", "One large"],
  ["speaker", "speaker", "Speaker"],
];

/** Radio buttons; `show` marks the layout that is in use, undefined: none of these. */
export function chooser(choose: (template: Template) => void): {
  element: HTMLElement;
  show: (template: Template | undefined) => void;
} {
  const inputs = new Map<Template, HTMLInputElement>();
  const options = CHOICES.map(([template, icon, words]) => {
    const input = h("input", {
      type: "radio",
      name: "template",
      value: template,
      "data-testid": `template-${template}`,
      onchange: () => choose(template),
    });
    inputs.set(template, input);
    return h("label", { class: "choice", title: words }, input, icons[icon](), h("span", {}, words));
  });
  const element = h("fieldset", { class: "chooser" }, h("legend", { class: "unseen" }, "Layout"), ...options);
  const show = (template: Template | undefined) => {
    for (const [one, input] of inputs) input.checked = one === template;
  };
  return { element, show };
}
