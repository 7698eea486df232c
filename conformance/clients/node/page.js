// SPDX-License-Identifier: Apache-2.0
// The page: calls the depot with the official grpc-web client and hands over what it sent and what came.

import { GrpcWebClientBase, MethodDescriptor, MethodType } from "/grpc-web.js";

const asked = new URLSearchParams(location.search);
const proxy = asked.get("proxy");
const lines = [];
const print = (line) => lines.push(line);

// The browser's own protobuf, loaded before.
const { protobuf } = globalThis;
const root = protobuf.Root.fromJSON(await (await fetch("/contract.json")).json());

function show(message) {
  return JSON.stringify(message, (_, value) =>
    value === null || typeof value !== "object" || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}

/** What generated code would hold of a method. */
function method(path) {
  const [service, name] = path.split("/");
  const found = root.lookupService(service).methods[name].resolve();
  const kind = found.responseStream ? MethodType.SERVER_STREAMING : MethodType.UNARY;
  const [input, output] = [found.resolvedRequestType, found.resolvedResponseType];
  const encode = (message) => input.encode(input.fromObject(message)).finish();
  const decode = (bytes) => output.toObject(output.decode(bytes), { longs: String, enums: String, bytes: String });
  return new MethodDescriptor(`/${path}`, kind, Object, Object, encode, decode);
}

function metadata(what, entries) {
  for (const [name, value] of Object.entries(entries ?? {}).sort()) {
    if (!["content-length", "content-type", "date"].includes(name) && !name.startsWith("grpc-status-details")) {
      print(`${what} ${name}: ${value}`);
    }
  }
}

function ended(status) {
  print(`= ${status.code} ${status.details ?? status.message ?? ""}`);
  const bytes = status.metadata?.["grpc-status-details-bin"];
  if (bytes) {
    print(`  details of ${atob(bytes).length} bytes`);
  }
}

/** A unary call to its end, when both the reply and the status are there, in whichever order. */
function unary(client, path, message, said = {}) {
  print(`-> ${path} ${show(message)}`);
  return new Promise((resolve) => {
    const came = {};
    const whole = () => {
      if (came.reply && came.status) {
        print(`<- ${show(came.reply)}`);
        metadata("trailer", came.status.metadata);
        ended(came.status);
        resolve();
      }
    };
    const call = client.rpcCall(`${proxy}/${path}`, message, said, method(path), (error, reply) => {
      if (error) {
        ended(error);
        resolve();
        return;
      }
      came.reply = reply;
      whole();
    });
    call.on("metadata", (head) => metadata("<-", head));
    call.on("status", (status) => {
      if (status.code === 0) {
        came.status = status;
        whole();
      }
    });
  });
}

function stream(client, path, message, each = () => {}, said = {}) {
  print(`-> ${path} ${show(message)}`);
  return new Promise((resolve) => {
    const call = client.serverStreaming(`${proxy}/${path}`, message, said, method(path));
    call.on("metadata", (head) => metadata("<-", head));
    call.on("data", (reply) => {
      print(`<- ${show(reply)}`);
      if (each(call)) {
        print("cancelled here");
        resolve();
      }
    });
    call.on("error", (error) => {
      ended(error);
      resolve();
    });
    call.on("end", resolve);
  });
}

async function calls(client) {
  await unary(client, "depot.Shelf/Put", { shelf: `web-${asked.get("scenario")}`, label: "lamp", counts: { b: 1, a: 2 } });
  await unary(client, "depot.Courier/Echo", { text: "hi" }, { "x-shade": "blue" });
}

async function errors(client) {
  await unary(client, "depot.Shelf/Put", { shelf: "web", label: "refuse" });
  await unary(client, "depot.Courier/Refuse", { text: "Grüße, 100 % ☺", count: 5 });
  await unary(client, "depot.Courier/Fail", {});
  await unary(client, "depot.Courier/Hang", { text: "web-late" }, { deadline: String(Date.now() + 1000) });
  await unary(client, "depot.Courier/Cancelled", { text: "web-late" });
}

const binary = new GrpcWebClientBase({ format: "binary" });
const text = new GrpcWebClientBase({ format: "text" });

const scenarios = {
  binary: () => calls(binary),
  text: () => calls(text),
  errors: () => errors(binary),
  "text-errors": () => errors(text),
  async streams() {
    await stream(text, "depot.Courier/Countdown", { count: 3 });
    await stream(text, "depot.Courier/Countdown", { count: -2 });
    await stream(text, "depot.Courier/Countdown", { count: 1, text: "web-gone" }, (call) => {
      call.cancel();
      return true;
    });
    await unary(text, "depot.Courier/Cancelled", { text: "web-gone" });
  },
  async elsewhere() {
    await unary(binary, "depot.Courier/Echo", { text: "hi" });
    const plain = await fetch(`${proxy}/v1/countdown/1`).catch((error) => error);
    print(`fetch ${plain}`);
  },
};

globalThis.addEventListener("error", (event) => print(`error ${event.message}`));
try {
  await scenarios[asked.get("scenario")]();
} catch (error) {
  print(`error ${error}`);
}
await fetch("/transcript", { method: "POST", body: lines.join("\n") });
