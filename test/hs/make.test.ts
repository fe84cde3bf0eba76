import { afterEach, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { readServiceDirectory, writeServiceDirectory } from "../../lib/hs/directory.ts";
import { makeClient, makeOnionService, onionKeyOf, revealKey } from "../../lib/hs/make.ts";
import { onionRequest } from "../../lib/hs/onion-request.ts";
import { presets, torrcLines } from "../../lib/hs/preset.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { addOnionWords } from "../../lib/tor/onion-service.ts";
import { parseAnonymousInbound, parseTxProxy } from "../../lib/zone/option.ts";
import { directory, onionService, planOf, removeDirectories } from "./services.ts";

afterEach(removeDirectories);

test("The address is the key's own, and a key of another service is found out", () => {
  const web = onionService("web");
  expect(onionKeyOf(web).address).toBe(web.record.address);
  const mixed = { record: web.record, key: onionService("mail").key };
  expect(() => onionKeyOf(mixed)).toThrow(expect.objectContaining({ code: "address-differs" }));
  const cut = { record: web.record, key: web.key.slice(1) };
  expect(() => onionKeyOf(cut)).toThrow(expect.objectContaining({ code: "key-damaged" }));
});

test("A key shows only where it is asked for", () => {
  const web = onionService("web");
  const secret = Buffer.from(onionKeyOf(web).expanded()).toString("base64");
  expect(revealKey(web)).toBe(`ED25519-V3:${secret}`);
  expect(JSON.stringify(web.record)).not.toContain(secret);
  expect(inspect(onionRequest(web))).not.toContain(secret);
});

test("What tor is asked for names ports, clients, flags and bounds", () => {
  const made = onionService("web", {
    ports: [
      { virtual: 80, host: "127.0.0.1", port: 8_080 },
      { virtual: 443, host: "::1", port: 8_443 },
    ],
    maxStreams: 7,
    pow: true,
    detached: true,
    singleHop: true,
  });
  const { client } = makeClient("a", made.record.address, new SeededRandom(1));
  const kept = { ...made, record: { ...made.record, clients: [client] } };
  const words = addOnionWords(onionRequest(kept), true);
  expect(words.slice(2)).toEqual([
    "Flags=Detach,NonAnonymous,V3Auth",
    "MaxStreams=7",
    "PoWDefensesEnabled=1",
    "Port=80,127.0.0.1:8080",
    "Port=443,[::1]:8443",
    `ClientAuthV3=${client.public_key}`,
  ]);
});

test("A port given twice, and none, are refused", () => {
  const port = { virtual: 80, host: "127.0.0.1", port: 1 };
  const key = OnionKey.generate(new SeededRandom(1));
  for (const ports of [[], [port, { ...port, port: 2 }]]) {
    expect(() => makeOnionService(planOf("web", { ports }), key)).toThrow(
      expect.objectContaining({ code: "bad-port" }),
    );
  }
});

test("A service goes to tor's folder and comes back, clients too", async () => {
  const made = onionService("web");
  const { client } = makeClient("laptop", made.record.address, new SeededRandom(1));
  const kept = { ...made, record: { ...made.record, clients: [client] } };
  const folder = join(directory(), "web");
  await writeServiceDirectory(kept, folder, new SeededRandom(2));
  const { key, clients } = await readServiceDirectory(folder);
  expect(key.address).toBe(made.record.address);
  expect(clients).toEqual([client]);
  const file = join(folder, "authorized_clients", "laptop.auth");
  expect(readFileSync(file, "utf8")).toBe(`descriptor:x25519:${client.public_key}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  writeFileSync(join(folder, "authorized_clients", "broken.auth"), "what?");
  await expect(readServiceDirectory(folder)).rejects.toMatchObject({ code: "key-invalid" });
});

test("The monero preset's lines are what monerod's grammar takes", () => {
  const { record } = onionService("in", { ports: presets.monero.ports });
  const lines = presets.monero.lines(record);
  const given = (name: string): string =>
    lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
  expect(parseTxProxy(given("tx-proxy"))).toMatchObject({ zone: "tor" });
  expect(parseAnonymousInbound(given("anonymous-inbound"), 18_083)).toMatchObject({
    zone: "tor",
    address: { host: record.address, port: 18_083 },
    listen: { host: "127.0.0.1", port: 18_084 },
  });
});

test.each(Object.values(presets))("The preset $name names the address and its ports", (preset) => {
  const { record } = onionService("x", { ports: preset.ports });
  const text = preset.lines(record).join("\n");
  expect(text).toContain(record.address);
  expect(text).toContain(String(record.ports[0]?.virtual));
  expect(text).not.toContain("undefined");
});

test("The tahoe preset has both spellings and keeps its promises", () => {
  const { record } = onionService("tub", { ports: presets.tahoe.ports });
  const lines = presets.tahoe.lines(record);
  expect(lines).toContain("reveal-IP-address = false");
  expect(lines).toContain(`tub.location = tor:${record.address}:3457`);
  expect(lines).toContain("tcp = tor");
  expect(lines.some((line) => line.includes("anonymize = true"))).toBe(true);
});

test("torrc's lines tell all that the service is", () => {
  const { record } = onionService("web", { maxStreams: 9, pow: true });
  expect(torrcLines(record, "/var/lib/tor/web")).toEqual([
    "HiddenServiceDir /var/lib/tor/web",
    "HiddenServicePort 80 127.0.0.1:8080",
    "HiddenServiceMaxStreams 9",
    "HiddenServicePoWDefensesEnabled 1",
  ]);
});
