"use strict";

// The page is made of /openapi.json alone. Text only ever goes in as text: nothing of an answer becomes markup.

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "className") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

const followed = (schema, all) => (schema && schema.$ref ? all[schema.$ref.split("/").pop()] : schema) || {};

// A body to begin with: what must be there, and the first of what may.
const example = (schema, all, depth = 0) => {
  const found = followed(schema, all);
  if (found.default !== undefined && depth > 0) return found.default;
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(found.anyOf[0], all, depth + 1);
  if (found.type === "object") {
    const named = Object.entries(found.properties || {});
    const wanted = named.filter(([name]) => (found.required || []).includes(name));
    const shown = wanted.length || depth > 3 ? wanted : named.slice(0, 3);
    return Object.fromEntries(shown.map(([name, part]) => [name, example(part, all, depth + 1)]));
  }
  if (found.type === "array") return depth > 3 ? [] : [example(found.items, all, depth + 1)];
  return { integer: 1, number: 1, boolean: false, null: null }[found.type] ?? "";
};

const SEND_EXAMPLE = {
  account: "main",
  message: { to: "Ann <ann@example.org>", subject: "Hello", text: "Good morning" },
};

const bodyOf = (operation, path, all) => {
  const content = operation.requestBody && operation.requestBody.content;
  if (!content) return null;
  if (content["application/jsonl"]) {
    const { account, ...line } = SEND_EXAMPLE;
    return { type: "application/jsonl", text: JSON.stringify(line) };
  }
  const value = path === "/v1/messages" ? SEND_EXAMPLE : example(content["application/json"].schema, all);
  return { type: "application/json", text: JSON.stringify(value, null, 2) };
};

const headersFor = (fields, type) => {
  const headers = new Headers();
  const token = document.getElementById("token").value.trim();
  const workspace = document.getElementById("workspace").value.trim();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (workspace) headers.set("Mailwright-Workspace", workspace);
  if (type) headers.set("Content-Type", type);
  for (const { parameter, input } of fields) {
    if (parameter.in === "header" && input.value) headers.set(parameter.name, input.value);
  }
  return headers;
};

const addressOf = (path, fields) => {
  let address = path;
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "query" && input.value) {
      const values = parameter.schema.type === "array" ? input.value.split(",") : [input.value];
      for (const value of values) query.append(parameter.name, value.trim());
    }
  }
  return query.size ? `${address}?${query}` : address;
};

const shown = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

// A stream is shown while it comes; it ends when somebody presses the button again.
const call = async (request, output, signal) => {
  const response = await fetch(request.address, { ...request.options, signal, credentials: "omit" });
  const head = `${response.status} ${response.statusText}\n`;
  const type = response.headers.get("content-type") || "";
  if (!type.startsWith("text/event-stream")) {
    output.textContent = `${head}\n${shown(await response.text())}`;
    return;
  }
  output.textContent = head;
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) output.textContent += piece;
};

const fieldsOf = (operation) =>
  (operation.parameters || [])
    .filter((parameter) => parameter.name !== "Mailwright-Workspace")
    .map((parameter) => ({ parameter, input: element("input", { spellcheck: "false" }) }));

const labelOf = ({ parameter, input }) =>
  element(
    "label",
    {},
    element("code", {}, parameter.name),
    parameter.required ? " (needed) " : " ",
    input,
    element("span", { className: "note" }, ` ${parameter.description || ""}`),
  );

const trier = (method, path, operation, all) => {
  const fields = fieldsOf(operation);
  const body = bodyOf(operation, path, all);
  const area = body && element("textarea", { spellcheck: "false", "aria-label": "Body" });
  if (area) area.value = body.text;
  const output = element("pre", { "aria-live": "polite" });
  const form = element("form", {}, ...fields.map(labelOf), ...(area ? [area] : []), element("button", {}, "Call"), output);
  let running = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) running.abort();
    running = new AbortController();
    output.textContent = "…";
    const options = { method: method.toUpperCase(), headers: headersFor(fields, body && body.type) };
    if (area) options.body = area.value;
    try {
      await call({ address: addressOf(path, fields), options }, output, running.signal);
    } catch (error) {
      if (error.name !== "AbortError") output.textContent = String(error);
    }
  });
  return form;
};

const operationOf = (method, path, operation, all) => {
  const scopes = operation["x-scopes"];
  const details = element(
    "details",
    {},
    element("summary", {}, element("span", { className: "method" }, method.toUpperCase()), element("code", {}, path), ` ${operation.summary}`),
    element("p", {}, operation.description || ""),
    element("p", { className: "note" }, scopes ? `Scope: ${scopes.join(", ")}` : "Public"),
  );
  // Made when somebody looks: a page of fifty forms is slow.
  details.addEventListener("toggle", () => details.append(trier(method, path, operation, all)), { once: true });
  return details;
};

const show = (api) => {
  document.getElementById("introduction").textContent = `${api.info.description} Version ${api.info.version}.`;
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const name = operation.tags[0];
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(operationOf(method, path, operation, api.components.schemas));
    }
  }
  const sections = [...groups].map(([name, made]) => element("section", {}, element("h2", {}, name), ...made));
  document.getElementById("operations").replaceChildren(...sections);
};

document.getElementById("access").addEventListener("submit", (event) => event.preventDefault());
fetch("/openapi.json")
  .then((response) => response.json())
  .then(show)
  .catch((error) => document.getElementById("operations").replaceChildren(`The document cannot be read: ${error}`));
