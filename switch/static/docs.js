// Draws /openapi.json. Text only ever becomes text nodes, so nothing in it can become markup.
"use strict";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  for (const child of children) made.append(child);
  return made;
}

// `code` and **strong**: the little of Markdown that the descriptions use.
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) => {
    if (piece.startsWith("`")) return code(piece.slice(1, -1));
    if (piece.startsWith("**")) return element("strong", null, piece.slice(2, -2));
    return piece;
  });
}

// Paragraphs, and lists of lines that begin with a star.
function prose(text) {
  const blocks = [];
  for (const block of (text || "").split(/\n\n|\n(?=\* )/)) {
    const plain = block.replace(/\s+/g, " ").trim();
    const last = blocks[blocks.length - 1];
    if (!plain.startsWith("* ")) blocks.push(element("p", null, ...inline(plain)));
    else if (last && last.tagName === "UL") last.append(element("li", null, ...inline(plain.slice(2))));
    else blocks.push(element("ul", null, element("li", null, ...inline(plain.slice(2)))));
  }
  return blocks;
}

function code(...children) {
  return element("code", null, ...children);
}

function between(pieces, mark) {
  return pieces.flatMap((piece, at) => (at ? [mark, ...piece] : piece));
}

function resolve(api, value) {
  if (!value || !value.$ref) return value;
  return value.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at[key], api);
}

// What a value may be, as pieces of text and links to the named shapes.
function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [element("a", { href: "#shape-" + name }, name)];
  }
  const options = schema.anyOf || schema.oneOf;
  if (options) return between(options.map(typeOf), " | ");
  if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" | ")];
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.type === "array") return ["array" + bounds(schema) + " of ", ...typeOf(schema.items || {})];
  if (schema.properties) {
    const inside = Object.entries(schema.properties).map(([name, one]) => [name + ": ", ...typeOf(one)]);
    return ["{ ", ...between(inside, ", "), " }"];
  }
  return [plainTypeOf(schema)];
}

function plainTypeOf(schema) {
  const type = [].concat(schema.type || "any").join(" | ");
  const format = schema.format ? " (" + schema.format + ")" : "";
  const fallback = schema.default ?? null;
  return type + format + (schema.pattern ? " " + schema.pattern : "") + bounds(schema) +
    (fallback === null ? "" : ", " + JSON.stringify(fallback) + " if not sent");
}

function bounds(schema) {
  const low = schema.minimum ?? schema.minLength ?? schema.minItems;
  const high = schema.maximum ?? schema.maxLength ?? schema.maxItems ?? schema.maxProperties;
  if (low === undefined && high === undefined) return "";
  if (low === undefined) return " up to " + high;
  if (high === undefined) return " from " + low;
  return low === high ? " of " + low : " " + low + "…" + high;
}

// Each cell is an array of pieces.
function table(head, rows) {
  const body = rows.map((row) => element("tr", null, ...row.map((cell) => element("td", null, ...cell))));
  const heads = head.map((text) => element("th", { scope: "col" }, text));
  return element("table", null, element("thead", null, element("tr", null, ...heads)),
    element("tbody", null, ...body));
}

function members(schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([name, member]) =>
    [[code(name)], [code(...typeOf(member))], [required.has(name) ? "required" : ""]]);
  return rows.length ? table(["member", "type", ""], rows) : element("p", null, "No members.");
}

// The examples of a body, behind one line to open: one, or several by name.
function examples(title, content) {
  const named = Object.entries(content.examples || {}).map(([name, one]) => [name, one.value]);
  if (content.example !== undefined) named.unshift(["", content.example]);
  if (!named.length) return [];
  const shown = named.flatMap(([name, value]) => [
    ...(name ? [element("p", null, code(name))] : []),
    element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2)),
  ]);
  const summary = element("summary", null, title + (named.length === 1 ? " example" : " examples"));
  return [element("details", null, summary, ...shown)];
}

function drawRequest(api, operation, article) {
  const parameters = (operation.parameters || []).map((one) => resolve(api, one));
  if (parameters.length) {
    const rows = parameters.map((one) => [
      [code(one.name)], [one.in], [code(...typeOf(one.schema))], [one.required ? "required" : ""],
      inline(one.description || ""),
    ]);
    article.append(element("h4", null, "Parameters"), table(["name", "in", "type", "", ""], rows));
  }
  const bodies = Object.entries(operation.requestBody ? operation.requestBody.content : {});
  for (const [kind, body] of bodies) {
    if (kind === "application/json") {
      article.append(element("h4", null, "Body"), members(resolve(api, body.schema)));
      article.append(...examples("Body", body));
    } else {
      article.append(element("h4", null, "Body, ", code(kind)));
      article.append(element("pre", { tabindex: "0" }, body.example));
    }
  }
}

function drawAnswers(operation, article) {
  const rows = [];
  const shown = [];
  for (const [status, answer] of Object.entries(operation.responses)) {
    const contents = Object.entries(answer.content || {});
    const types = contents.map(([kind, content]) =>
      content.schema && content.schema.type !== "string" ? typeOf(content.schema) : [kind]);
    rows.push([[element("strong", null, status)], inline(answer.description),
      [code(...between(types, " | "))]]);
    for (const [, content] of contents) shown.push(...examples(status, content));
  }
  article.append(element("h4", null, "Answers"), table(["status", "", "body"], rows), ...shown);
}

function drawOperation(api, path, method, operation, sender) {
  const article = element("article", { id: operation.operationId },
    element("h3", null, element("span", { class: "method " + method }, method.toUpperCase()),
      code(path), element("span", null, operation.summary)));
  const signed = !(operation.security && operation.security.length === 0);
  const signer = signed ? "Signed by the " + sender + "." : "No signature.";
  article.append(element("p", { class: "muted" }, signer));
  if (operation.description) article.append(...prose(operation.description));
  drawRequest(api, operation, article);
  drawAnswers(operation, article);
  return article;
}

function drawShapes(api, main) {
  main.append(element("h2", { id: "shapes" }, "Shapes"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    main.append(element("section", { id: "shape-" + name }, element("h3", null, code(name)),
      ...prose(schema.description), members(schema)));
  }
}

function drawTables(api, main) {
  main.append(element("h2", { id: "problems" }, "Problems"));
  main.append(table(["name", "status", ""], Object.entries(api["x-problems"]).map(
    ([name, problem]) => [[code(name)], [String(problem.status)], [problem.title]])));
  main.append(element("h2", { id: "outcomes" }, "Outcomes, in order of precedence"));
  main.append(table(["outcome"], api["x-outcomes"].map((name) => [[code(name)]])));
}

// Sections in the order of their first endpoint; what the switch itself sends comes last.
function sectionsOf(api) {
  const sections = new Map();
  const add = (title, ...drawn) => {
    if (!sections.has(title)) sections.set(title, []);
    sections.get(title).push(drawn);
  };
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, one] of Object.entries(methods)) add(one.tags[0], path, method, one, "sender");
  }
  for (const [name, methods] of Object.entries(api.webhooks || {})) {
    for (const [method, one] of Object.entries(methods)) {
      add("sent by the switch", name, method, one, "switch");
    }
  }
  return sections;
}

function draw(api) {
  const summary = document.getElementById("summary");
  const main = document.getElementById("endpoints");
  const list = element("ul");
  for (const [title, operations] of sectionsOf(api)) {
    main.append(element("h2", null, title));
    for (const [path, method, operation, sender] of operations) {
      main.append(drawOperation(api, path, method, operation, sender));
      list.append(element("li", null,
        element("a", { href: "#" + operation.operationId }, method.toUpperCase() + " " + path)));
    }
  }
  for (const title of ["shapes", "problems", "outcomes"]) {
    list.append(element("li", null, element("a", { href: "#" + title }, title)));
  }
  document.getElementById("contents").append(list);
  drawShapes(api, main);
  drawTables(api, main);
  summary.replaceWith(element("p", { class: "muted" }, "Version " + api.info.version + ", made from ",
    element("a", { href: "/openapi.json" }, "openapi.json"), "; what a participant's own server answers: ",
    element("a", { href: "/openapi-participant.json" }, "openapi-participant.json")),
  ...prose(api.info.description));
  // The browser looked for the fragment before there was anything to find.
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted) wanted.scrollIntoView();
}

fetch("/openapi.json").then((answer) => answer.json()).then(draw).catch((error) => {
  const summary = document.getElementById("summary");
  summary.className = "failed";
  summary.textContent = "openapi.json could not be read: " + error;
});
