import { afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeClient } from "../../lib/hs/make.ts";
import { CLIENTS_MAX } from "../../lib/hs/record.ts";
import { ServiceStore } from "../../lib/hs/store.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { parseClientCredentialFile } from "../../lib/tor/client-auth.ts";
import { directory, onionService, removeDirectories } from "./services.ts";

afterEach(removeDirectories);

function modes(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true }).map((entry) => {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    return `${entry.isDirectory() ? "d" : "f"} ${(mode & 0o777).toString(8)}`;
  });
}

test("A service comes back as it was kept, and only its owner can read it", () => {
  const dataDir = join(directory(), "data");
  const store = new ServiceStore(dataDir);
  expect(store.list()).toEqual([]);
  const service = onionService("web");
  store.add(service);
  const made = makeClient("laptop", service.record.address, new SeededRandom(3));
  const record = store.addClient("web", made.client, made.credential);
  expect(new ServiceStore(dataDir).get("web")).toEqual({
    record,
    key: Buffer.from(service.key),
  });
  expect(new Set(modes(dataDir))).toEqual(new Set(["d 700", "f 600"]));
});

test("A client's file is what its tor reads, and it goes with the client", () => {
  const store = new ServiceStore(directory());
  const service = onionService("web");
  store.add(service);
  const made = makeClient("laptop", service.record.address, new SeededRandom(3));
  store.addClient("web", made.client, made.credential);
  const file = store.clientFile("web", "laptop");
  const read = parseClientCredentialFile(readFileSync(file, "utf8"));
  expect(read.address).toBe(service.record.address);
  store.removeClient("web", "laptop");
  expect(existsSync(file)).toBe(false);
  expect(store.get("web").record.clients).toEqual([]);
});

test("The stamp differs after every change, and not without one", () => {
  const store = new ServiceStore(directory());
  const stamps = [store.stamp()];
  const next = (change: () => unknown): void => {
    change();
    stamps.push(store.stamp());
  };
  next(() => store.add(onionService("web")));
  next(() => store.add(onionService("mail")));
  next(() => store.addClient("web", { name: "a", public_key: "A".repeat(52) }, undefined));
  next(() => store.removeClient("web", "a"));
  next(() => store.update({ ...store.get("web").record, pow: true }));
  next(() => store.remove("web"));
  expect(new Set(stamps).size).toBe(stamps.length);
  expect(store.stamp()).toBe(stamps.at(-1) ?? "");
});

test("What a crash left half-made is no service, and does not stand in the way", () => {
  const dataDir = directory();
  const store = new ServiceStore(dataDir);
  mkdirSync(join(dataDir, "services", ".web.new"), { recursive: true });
  writeFileSync(join(dataDir, "services", ".web.new", "secret_key"), "half");
  expect(store.names()).toEqual([]);
  store.add(onionService("web"));
  expect(store.get("web").key).toHaveLength(96);
});

test("Wrong use: each says what is wrong", () => {
  const store = new ServiceStore(directory());
  store.add(onionService("web"));
  const client = { name: "a", public_key: "A".repeat(52) };
  store.addClient("web", client, undefined);
  const codes = (...acts: (() => unknown)[]): unknown[] =>
    acts.map((act) => {
      try {
        return act();
      } catch (error) {
        return error instanceof Error && "code" in error ? error.code : error;
      }
    });
  expect(
    codes(
      () => store.add(onionService("web")),
      () => store.get("mail"),
      () => store.get("../web"),
      () => store.remove("mail"),
      () => store.addClient("web", client, undefined),
      () => store.removeClient("web", "b"),
      () => store.addClient("web", { ...client, name: "../a" }, undefined),
    ),
  ).toEqual([
    "exists",
    "not-found",
    "bad-name",
    "not-found",
    "client-exists",
    "client-not-found",
    "bad-name",
  ]);
});

test("One service takes a hundred clients and not one more", () => {
  const store = new ServiceStore(directory());
  store.add(onionService("web"));
  const { record } = store.get("web");
  const clients = Array.from({ length: CLIENTS_MAX }, (_, at) => ({
    name: `c${at}`,
    public_key: "A".repeat(52),
  }));
  store.update({ ...record, clients });
  const more = { name: "more", public_key: "A".repeat(52) };
  expect(() => store.addClient("web", more, undefined)).toThrow(
    expect.objectContaining({ code: "too-many-clients" }),
  );
});

test.each([
  ["not JSON", "{", "damaged"],
  ["another name", undefined, "damaged"],
  ["too long", "x".repeat(70_000), "damaged"],
] as const)("A record that is %s is told of by its place", (_, text, code) => {
  const dataDir = directory();
  const store = new ServiceStore(dataDir);
  store.add(onionService("web"));
  const file = join(dataDir, "services", "web", "service.json");
  const other = readFileSync(file, "utf8").replace('"web"', '"mail"');
  writeFileSync(file, text ?? other);
  expect(() => store.get("web")).toThrow(
    expect.objectContaining({ code, where: "local", message: expect.stringContaining(file) }),
  );
});

test("A lost key is told of as such", () => {
  const dataDir = directory();
  const store = new ServiceStore(dataDir);
  store.add(onionService("web"));
  rmSync(store.keyFile("web"));
  expect(() => store.get("web")).toThrow(/secret_key is missing/);
});

test("A data directory that can't be written to is the machine's fault", () => {
  const dataDir = directory();
  const file = join(dataDir, "file");
  writeFileSync(file, "");
  chmodSync(file, 0o600);
  expect(() => new ServiceStore(join(file, "data")).add(onionService("web"))).toThrow(
    expect.objectContaining({ code: "store-failed", where: "local" }),
  );
});
