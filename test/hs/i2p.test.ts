import { afterEach, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { writeDestinationFile } from "../../lib/hs/directory.ts";
import {
  destinationOf,
  makeI2pService,
  onionKeyOf,
  parseDestinationFile,
  revealKey,
} from "../../lib/hs/make.ts";
import { ServiceStore } from "../../lib/hs/store.ts";
import { decodeI2pBase64 } from "../../lib/i2p/base64.ts";
import { PrivateDestination } from "../../lib/i2p/private-destination.ts";
import { madeKeys } from "../i2p/recording.ts";
import { directory, onionService, planOf, removeDirectories } from "./services.ts";

afterEach(removeDirectories);

const key = PrivateDestination.parse(madeKeys.private);

test("A destination is kept and comes back, and shows its key only when asked", () => {
  const store = new ServiceStore(directory());
  const made = makeI2pService(planOf("web"), key);
  store.add(made);
  const kept = store.get("web");
  expect(kept.record).toMatchObject({ kind: "i2p", address: key.destination.name });
  expect(destinationOf(kept).destination.name).toBe(key.destination.name);
  expect(revealKey(kept)).toBe(madeKeys.private);
  expect(JSON.stringify(kept.record)).not.toContain(madeKeys.private.slice(-60));
});

test("A router's key file goes out and comes in, as bytes and as text", async () => {
  const made = makeI2pService(planOf("web"), key);
  const file = await writeDestinationFile(made, directory());
  expect(file).toEndWith("/web.dat");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const bytes = readFileSync(file);
  expect(Buffer.compare(bytes, decodeI2pBase64(madeKeys.private))).toBe(0);
  expect(parseDestinationFile(bytes).reveal()).toBe(madeKeys.private);
  const text = Buffer.from(`${madeKeys.private}\n`);
  expect(parseDestinationFile(text).reveal()).toBe(madeKeys.private);
  expect(() => parseDestinationFile(bytes.subarray(1))).toThrow();
  expect(() => parseDestinationFile(new Uint8Array())).toThrow();
});

test("A damaged key, and one of another service, are found out", () => {
  const made = makeI2pService(planOf("web"), key);
  const other = { ...made, record: { ...made.record, address: `${"a".repeat(52)}.b32.i2p` } };
  expect(() => destinationOf(other)).toThrow(expect.objectContaining({ code: "address-differs" }));
  const cut = { ...made, key: made.key.slice(4) };
  expect(() => destinationOf(cut)).toThrow(expect.objectContaining({ code: "key-damaged" }));
});

test("The kinds are not mixed up", () => {
  const notFit = expect.objectContaining({ code: "not-fit", where: "config" });
  expect(() => onionKeyOf(makeI2pService(planOf("web"), key))).toThrow(notFit);
  expect(() => destinationOf(onionService("web"))).toThrow(notFit);
});

test.each([
  ["pow", { pow: true }],
  ["max-streams", { maxStreams: 3 }],
  ["single-hop", { singleHop: true }],
  ["detach", { detached: true }],
])("I2P has no --%s", (option, more) => {
  expect(() => makeI2pService(planOf("web", more), key)).toThrow(`--${option}`);
});

test("A destination has one port, on this machine", () => {
  const here = { virtual: 80, host: "127.0.0.1", port: 1 };
  const bad = expect.objectContaining({ code: "bad-port" });
  for (const ports of [[here, { ...here, virtual: 81 }], [{ ...here, host: "10.0.0.1" }], []]) {
    expect(() => makeI2pService(planOf("web", { ports }), key)).toThrow(bad);
  }
});
