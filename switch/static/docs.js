// Draws /openapi.json. Text only ever becomes text nodes, so nothing in it can become markup.
"use strict";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  for (const child of children) made.append(child);
  return made;
}

// `code` and **strong**: the little of Markdown that the descriptions use.
function prose(text) {
  const paragraph = element("p");
  for (const piece of text.split(/(`[^`]+`|\*\*[^*]+\*\*)/)) {
    if (piece.startsWith("`")) paragraph.append(element("code", null, piece.slice(1, -1)));
    else if (piece.startsWith("**")) paragraph.append(element("strong", null, piece.slice(2, -2)));
    else paragraph.append(piece);
  }
  return paragraph;
}

function proseBlocks(text) {
  const blocks = [];
  for (const block of text.split(/\n\n|\n(?=\* )/)) {
    blocks.push(prose(block.replace(/^\* /, "• ").replace(/\s+/g, " ")));
  }
  return blocks;
}

function resolve(api, value) {
  if (!value || !value.$ref) return value;
  return value.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at[key], api);
}

function typeOf(api, schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const options = schema.anyOf || schema.oneOf;
  if (options) return options.map((one) => typeOf(api, one)).join(" | ");
  const parts = [Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any"];
  if (schema.format) parts.push("(" + schema.format + ")");
  if (schema.pattern) parts.push(schema.pattern);
  const low = schema.minimum ?? schema.minLength;
  const high = schema.maximum ?? schema.maxLength ?? schema.maxProperties;
  if (low !== undefined || high !== undefined) parts.push((low ?? "") + "…" + (high ?? ""));
  return parts.join(" ");
}

function table(head, rows) {
  const body = rows.map((row) => element("tr", null, ...row.map((cell) => element("td", null, cell))));
  const heads = head.map((text) => element("th", { scope: "col" }, text));
  return element("table", null, element("thead", null, element("tr", null, ...heads)),
    element("tbody", null, ...body));
}

function members(api, schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([name, member]) => [
    element("code", null, name), element("code", null, typeOf(api, member)),
    required.has(name) ? "required" : "",
  ]);
  return table(["member", "type", ""], rows);
}

function example(title, value) {
  return element("details", null, element("summary", null, title),
    element("pre", null, JSON.stringify(value, null, 2)));
}

function drawRequest(api, operation, article) {
  const parameters = (operation.parameters || []).map((one) => resolve(api, one));
  if (parameters.length) {
    const rows = parameters.map((one) => [
      element("code", null, one.name), one.in, element("code", null, typeOf(api, one.schema)),
      one.description || (one.required ? "required" : ""),
    ]);
    article.append(element("h4", null, "Parameters"), table(["name", "in", "type", ""], rows));
  }
  const body = operation.requestBody && operation.requestBody.content["application/json"];
  if (body) {
    article.append(element("h4", null, "Body"), members(api, resolve(api, body.schema)));
    if (body.example) article.append(example("Example", body.example));
  }
}

function drawAnswers(api, operation, article) {
  article.append(element("h4", null, "Answers"));
  const rows = Object.entries(operation.responses).map(([status, answer]) =>
    [element("strong", null, status), prose(answer.description)]);
  article.append(table(["status", ""], rows));
  for (const [status, answer] of Object.entries(operation.responses)) {
    for (const content of Object.values(answer.content || {})) {
      if (content.example) article.append(example(status + " example", content.example));
    }
  }
}

function drawOperation(api, path, method, operation) {
  const article = element("article", { id: operation.operationId },
    element("h3", null, element("span", { class: "method " + method }, method.toUpperCase()),
      element("code", null, path), element("span", null, operation.summary)));
  const signed = !(operation.security && operation.security.length === 0);
  article.append(element("p", { class: "muted" }, signed ? "Signed by the sender." : "No signature."));
  drawRequest(api, operation, article);
  drawAnswers(api, operation, article);
  return article;
}

function drawTables(api, main) {
  main.append(element("h2", { id: "problems" }, "Problems"));
  main.append(table(["name", "status", ""], Object.entries(api["x-problems"]).map(
    ([name, problem]) => [element("code", null, name), String(problem.status), problem.title])));
  main.append(element("h2", { id: "outcomes" }, "Outcomes, in order of precedence"));
  main.append(table(["outcome"], api["x-outcomes"].map((name) => [element("code", null, name)])));
}

function draw(api) {
  const summary = document.getElementById("summary");
  summary.replaceWith(element("p", { class: "muted" }, "Version " + api.info.version + ", made from ",
    element("a", { href: "/openapi.json" }, "openapi.json")), ...proseBlocks(api.info.description));
  const main = document.getElementById("endpoints");
  const list = element("ul");
  const byTag = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push(drawOperation(api, path, method, operation));
      list.append(element("li", null,
        element("a", { href: "#" + operation.operationId }, method.toUpperCase() + " " + path)));
    }
  }
  for (const [tag, articles] of byTag) main.append(element("h2", null, tag), ...articles);
  document.getElementById("contents").append(list);
  drawTables(api, main);
}

fetch("/openapi.json").then((answer) => answer.json()).then(draw).catch((error) => {
  const summary = document.getElementById("summary");
  summary.className = "failed";
  summary.textContent = "openapi.json could not be read: " + error;
});
