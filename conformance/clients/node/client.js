// SPDX-License-Identifier: Apache-2.0
// Calls the depot with @grpc/grpc-js, and prints what it sent and what came: `client.js SCENARIO ADDRESS PROTOS...`.

import { Metadata, credentials, loadPackageDefinition, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { details, show } from "./show.js";

const [, , scenario, address, ...includeDirs] = process.argv;
const files = loadSync("depot.proto", { includeDirs, longs: String, enums: String, bytes: String });
const depot = loadPackageDefinition(files).depot;
const shelf = new depot.Shelf(address, credentials.createInsecure());
const courier = new depot.Courier(address, credentials.createInsecure());

function print(line) {
  process.stdout.write(`${line}\n`);
}

function sent(path, ...messages) {
  print(`-> ${path}`);
  messages.forEach((message) => print(`-> ${show(message)}`));
}

function metadata(what, entries) {
  for (const [name, value] of Object.entries(entries.toJSON())) {
    if (name !== "date") {
      value.forEach((one) => print(`${what} ${name}: ${Buffer.isBuffer(one) ? `0x${one.toString("hex")}` : one}`));
    }
  }
}

function ended({ code, details: said, metadata: trailer }) {
  if (code === status.DEADLINE_EXCEEDED) {
    // Whether this side or the other saw it first decides what else is said.
    print(`= ${status[code]}`);
    return;
  }
  const [found] = trailer?.get("grpc-status-details-bin") ?? [];
  trailer?.remove("grpc-status-details-bin");
  metadata("trailer", trailer ?? new Metadata());
  print(`= ${status[code]} ${said}`);
  (found ? details(found) : []).forEach((detail) => print(`  ${detail}`));
}

/** A unary call to its end. */
function ask(client, name, message, said = new Metadata(), options = {}) {
  sent(name, message);
  return new Promise((resolve) => {
    const call = client[name](message, said, options, (_, reply) => {
      if (reply) {
        print(`<- ${show(reply)}`);
      }
    });
    call.on("metadata", (head) => metadata("<-", head));
    call.on("status", (end) => resolve(ended(end)));
  });
}

/** What comes of a stream of replies, to its end. */
function replies(call, each = () => {}) {
  return new Promise((resolve) => {
    call.on("metadata", (head) => metadata("<-", head));
    call.on("data", (reply) => {
      print(`<- ${show(reply)}`);
      each(reply);
    });
    // The status comes too, and says the same.
    call.on("error", () => {});
    call.on("status", (end) => resolve(ended(end)));
  });
}

function within(ms) {
  return { deadline: Date.now() + ms };
}

/** Waits until the handler of the call with this text was cancelled. */
function cancelled(text) {
  return new Promise((resolve, reject) => {
    courier.Cancelled({ text }, within(10_000), (error, reply) => {
      if (error) {
        reject(error);
      } else {
        resolve(print(`cancelled ${show(reply)}`));
      }
    });
  });
}

async function unary() {
  const parcel = { shelf: "js", label: "lamp", grams: "9007199254740993", size: "SIZE_LARGE", counts: { a: 1 } };
  await ask(shelf, "Put", { ...parcel, seal: Buffer.from([0, 255]), sender: { name: "ada" } });
  await ask(shelf, "Look", { shelf: "js" });
}

async function told() {
  const said = new Metadata();
  said.add("x-shade", "blue");
  said.add("x-shade", "red");
  said.add("x-data-bin", Buffer.from([0, 1, 2]));
  await ask(courier, "Echo", { text: "hi" }, said);
}

async function streams() {
  sent("Countdown", { count: 3 });
  await replies(courier.Countdown({ count: 3 }));
  const lines = [1, 2, 39].map((count) => ({ count }));
  sent("Sum", ...lines);
  await new Promise((resolve) => {
    const call = courier.Sum((_, reply) => print(`<- ${show(reply)}`));
    call.on("status", (end) => resolve(ended(end)));
    lines.forEach((line) => call.write(line));
    call.end();
  });
}

/** Each line is sent only when the one before was answered. */
async function turns() {
  print("-> Double");
  const call = courier.Double();
  const waiting = [1, 2, 3];
  const next = () => {
    const count = waiting.shift();
    if (count === undefined) {
      call.end();
      return;
    }
    print(`-> ${show({ count })}`);
    call.write({ count });
  };
  const over = replies(call, next);
  next();
  await over;
}

async function errors() {
  await ask(shelf, "Put", { shelf: "js", label: "refuse" });
  await ask(courier, "Refuse", { text: "Grüße, 100 % ☺", count: 5 });
  await ask(courier, "Fail", {});
  await ask(shelf, "Put", { label: "no key" });
  sent("Countdown", { count: -2 });
  await replies(courier.Countdown({ count: -2 }));
  const stale = new Metadata();
  stale.set("if-match", '"77"');
  await ask(shelf, "Put", { shelf: "js", label: "x" }, stale);
}

async function deadlines() {
  await ask(courier, "Hang", { text: "js-late" }, new Metadata(), within(1000));
  await cancelled("js-late");
  sent("Countdown", { count: 1, text: "js-stream" });
  await replies(courier.Countdown({ count: 1, text: "js-stream" }, within(1500)));
  await cancelled("js-stream");
}

async function cancels() {
  sent("Countdown", { count: 1, text: "js-gone" });
  const call = courier.Countdown({ count: 1, text: "js-gone" });
  await replies(call, () => call.cancel());
  await cancelled("js-gone");
  sent("Double", { text: "js-duplex", count: 4 });
  const duplex = courier.Double();
  const over = replies(duplex, () => duplex.cancel());
  duplex.write({ text: "js-duplex", count: 4 });
  await over;
  await cancelled("js-duplex");
}

const scenarios = { unary, metadata: told, streams, turns, errors, deadlines, cancels };
await scenarios[scenario]();
shelf.close();
courier.close();
