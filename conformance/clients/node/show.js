// SPDX-License-Identifier: Apache-2.0
// Messages and details of errors as text.

import protobuf from "protobufjs";

const root = protobuf.Root.fromJSON({
  nested: {
    Any: { fields: { type_url: { type: "string", id: 1 }, value: { type: "bytes", id: 2 } } },
    Status: { fields: { details: { rule: "repeated", type: "Any", id: 3 } } },
    ErrorInfo: {
      fields: {
        reason: { type: "string", id: 1 },
        domain: { type: "string", id: 2 },
        metadata: { keyType: "string", type: "string", id: 3 },
      },
    },
  },
});

/** A message as JSON, the fields of its maps in order. */
export function show(message) {
  return JSON.stringify(message, (_, value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      return value;
    }
    if (value.type === "Buffer") {
      return Buffer.from(value.data).toString("base64");
    }
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** The details in a `grpc-status-details-bin`. */
export function details(bytes) {
  return root.lookupType("Status").decode(bytes).details.map((detail) => {
    if (!detail.type_url.endsWith("google.rpc.ErrorInfo")) {
      return detail.type_url;
    }
    return `google.rpc.ErrorInfo ${show(root.lookupType("ErrorInfo").decode(detail.value).toJSON())}`;
  });
}
