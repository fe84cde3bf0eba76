import { posix } from "node:path";
import type { ImportFact, SourceFact } from "./source.ts";

/** A house rule: takes every source file, gives one line for each breach, empty when it holds. */
export type Rule = (sources: readonly SourceFact[]) => string[];

/** The rooms of `lib`, lowest floor first: a file imports from its own room and floors below. */
const floors: readonly (readonly string[])[] = [
  ["runtime"],
  ["address", "process"],
  ["levin", "tor", "i2p"],
  ["socks", "monero", "ethereum", "tahoe", "dandelion", "padding"],
  ["zone", "peers", "hs"],
  ["relay", "probe", "capture", "devnet", "simulate"],
];

/** Modules that can send bytes off this process. */
const socketModules: ReadonlySet<string> = new Set([
  "node:net",
  "node:tls",
  "node:dgram",
  "node:http",
  "node:https",
  "node:http2",
  "node:inspector",
]);

/** What pure code may take from a socket module: checks of a text, no socket. */
const pureNames: ReadonlySet<string> = new Set(["isIP", "isIPv4", "isIPv6"]);

/** What a listener takes from a socket module: it opens no connection. */
const listenerNames: ReadonlySet<string> = new Set(["createServer"]);

/** The one way out: the only files that may open a connection. Folders end in a slash. */
const dialers: readonly string[] = [
  "lib/zone/dial.ts",
  "lib/socks/client.ts",
  "lib/devnet/",
  "lib/tor/control-place.ts",
  "lib/i2p/sam-connection.ts",
  "lib/zone/open-stream.ts",
  // These lay TLS over a stream that is open already.
  "lib/probe/tls-stream.ts",
  "lib/relay/gateway-tls.ts",
  "lib/tahoe/tls-over-stream.ts",
];

/** The only files that may listen, besides those that may dial. */
const listeners: readonly string[] = [
  "lib/socks/server.ts",
  "lib/relay/listener.ts",
  "lib/relay/ethereum-listener.ts",
  "lib/relay/rpc.ts",
  "lib/probe/metrics-server.ts",
  "lib/capture/tap.ts",
];

/** The only places that may start other programs. */
const starters: readonly string[] = ["lib/process/", "lib/devnet/"];

/** Names that open a connection without any import. */
const socketGlobals: readonly string[] = ["fetch", "WebSocket", "EventSource", "XMLHttpRequest"];

/** What only lib/runtime may touch, since all else gets time and chance from it. */
const timeAndChance: readonly string[] = [
  "Math.random",
  "Date.now",
  "performance.now",
  "process.hrtime",
  "new_Date()",
  "setTimeout()",
  "setInterval()",
  "crypto.getRandomValues",
  "crypto.randomUUID",
];

/** Functions of node:crypto that draw chance. */
const chanceNames: ReadonlySet<string> = new Set([
  "randomBytes",
  "randomFillSync",
  "randomFill",
  "randomInt",
  "randomUUID",
  "getRandomValues",
  "webcrypto",
]);

const isLibrary = (source: SourceFact): boolean => source.path.startsWith("lib/");
const isShipped = (source: SourceFact): boolean =>
  isLibrary(source) || source.path.startsWith("cli/") || source.path === "mod.ts";

/** The path that a relative import leads to; undefined for a module from elsewhere. */
function targetOf(source: SourceFact, one: ImportFact): string | undefined {
  return one.from.startsWith(".") ? posix.join(posix.dirname(source.path), one.from) : undefined;
}

/**
 * Where a path stands: its room and that room's floor.
 *
 * @param path path relative to the repository's top
 * @returns undefined for a file that belongs to no room
 */
function placeOf(path: string): { room: string; floor: number } | undefined {
  if (path === "mod.ts") {
    return { room: "mod.ts", floor: floors.length };
  }
  if (path.startsWith("cli/")) {
    return { room: "cli", floor: floors.length + 1 };
  }
  const room = /^lib\/([^/]+)\//.exec(path)?.[1];
  const floor = floors.findIndex((rooms) => room !== undefined && rooms.includes(room));
  return room === undefined || floor < 0 ? undefined : { room: `lib/${room}`, floor };
}

/** A file imports only from its own room and from floors below; nothing reaches up or sideways. */
export const floorRule: Rule = (sources) =>
  sources.filter(isShipped).flatMap((source) => {
    const own = placeOf(source.path);
    if (own === undefined) {
      return [`${source.path}: stands in no room of the architecture`];
    }
    return source.imports.flatMap((one) => {
      const target = targetOf(source, one);
      if (target === undefined) {
        return [];
      }
      const other = placeOf(target);
      const isFine = other !== undefined && (other.room === own.room || other.floor < own.floor);
      return isFine || target === "package.json"
        ? []
        : [`${source.path}: ${own.room} must not import ${target}`];
    });
  });

/** No file imports itself by way of others, types included. */
export const circleRule: Rule = (sources) => {
  const imports = new Map(
    sources.map((source) => [
      source.path,
      source.imports.flatMap((one) => targetOf(source, one) ?? []),
    ]),
  );
  const breaches: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      breaches.push(`${[...trail.slice(trail.indexOf(path)), path].join(" → ")}: a circle`);
      return;
    }
    if (!done.has(path)) {
      for (const target of imports.get(path) ?? []) {
        visit(target, [...trail, path]);
      }
      done.add(path);
    }
  };
  for (const path of imports.keys()) {
    visit(path, []);
  }
  return breaches;
};

/** Relative imports name their file in full, as every runtime but a bundler needs it. */
export const endingRule: Rule = (sources) =>
  sources.flatMap((source) =>
    source.imports
      .filter((one) => one.from.startsWith(".") && !/\.(?:ts|mjs|json)$/.test(one.from))
      .map((one) => `${source.path}: ${one.from} lacks its ending`),
  );

/**
 * Examples show the public face, so they import nothing else of ours, and no package. A long one
 * has a folder of its own name for its parts.
 */
export const exampleRule: Rule = (sources) =>
  sources
    .filter((source) => source.path.startsWith("examples/"))
    .flatMap((source) => {
      const folder = /^examples\/[^/.]+/.exec(source.path)?.[0] ?? source.path;
      return source.imports
        .filter((one) => {
          const target = targetOf(source, one);
          const isPart = target?.startsWith(`${folder}/`) === true;
          return target !== "mod.ts" && !isPart && !one.from.startsWith("node:");
        })
        .map((one) => `${source.path}: an example imports ${one.from}, not ../mod.ts`);
    });

/** The library runs on other runtimes than Bun. */
export const runtimeRule: Rule = (sources) =>
  sources
    .filter((source) => isLibrary(source) || source.path === "mod.ts")
    .flatMap((source) => [
      ...["Bun", "Deno"]
        .filter((name) => source.names.has(name))
        .map((name) => `${source.path}: ${name} is one runtime's own`),
      ...source.imports
        .filter((one) => /^(?:bun|deno|jsr|https?):|^bun$/.test(one.from))
        .map((one) => `${source.path}: ${one.from} is one runtime's own`),
      ...source.imports
        .filter((one) => one.from === "(computed)")
        .map(() => `${source.path}: imports by a computed name`),
    ]);

/** One way out: connections are opened and taken only where the architecture says. */
export const socketRule: Rule = (sources) =>
  sources.filter(isShipped).flatMap((source) => {
    if (isAmong(source.path, dialers)) {
      return [];
    }
    const isFine = (name: string): boolean =>
      pureNames.has(name) || (isAmong(source.path, listeners) && listenerNames.has(name));
    const imported = source.imports
      .filter((one) => socketModules.has(one.from) && !one.typeOnly)
      .filter((one) => one.names === undefined || !one.names.every(isFine))
      .map((one) => `${source.path}: ${one.from} can open a socket`);
    const global = socketGlobals
      .filter((name) => source.uses.has(`${name}()`) || source.uses.has(`new_${name}(…)`))
      .map((name) => `${source.path}: ${name} opens a connection`);
    return [...imported, ...global];
  });

/** Other programs are started only by lib/process, and watched by private networks. */
export const programRule: Rule = (sources) =>
  sources
    .filter((source) => isLibrary(source) && !isAmong(source.path, starters))
    .flatMap((source) =>
      source.imports
        .filter((one) => one.from === "node:child_process" && !one.typeOnly)
        .map((one) => `${source.path}: ${one.from} belongs to lib/process`),
    );

function isAmong(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith("/") ? path.startsWith(place) : path === place));
}

/** The one file that may ask the system's resolver, and the one that may take it in use. */
const RESOLVER = "lib/zone/system-resolver.ts";
const RESOLVER_USER = "cli/node-names.ts";

/** No name is given to the system resolver but by the one file for users who have asked for it. */
export const resolverRule: Rule = (sources) =>
  sources
    .filter((source) => isShipped(source) && source.path !== RESOLVER)
    .flatMap((source) => [
      ...source.imports
        .filter((one) => targetOf(source, one) === RESOLVER && source.path !== RESOLVER_USER)
        .map((one) => `${source.path}: ${one.from} asks the system resolver`),
      ...source.imports
        .filter((one) => /^(?:node:)?dns(?:\/|$)/.test(one.from))
        .map((one) => `${source.path}: ${one.from} asks the system resolver`),
      ...[...source.uses]
        .filter((use) => /\bdns\.(?:promises\.)?\w+$/.test(use))
        .map((use) => `${source.path}: ${use} asks the system resolver`),
    ]);

/** Time and chance come in by lib/runtime only, so that every run can be replayed. */
export const timeAndChanceRule: Rule = (sources) =>
  sources
    .filter((source) => isShipped(source) && !source.path.startsWith("lib/runtime/"))
    .flatMap((source) => [
      ...timeAndChance
        .filter((use) => source.uses.has(use))
        .map((use) => `${source.path}: ${use} belongs to lib/runtime`),
      ...source.imports
        .filter((one) => /^node:(?:timers|perf_hooks)/.test(one.from))
        .map((one) => `${source.path}: ${one.from} belongs to lib/runtime`),
      // Private networks name their scratch folders by chance; no decision hangs on it.
      ...source.imports
        .filter((one) => one.from === "node:crypto" && !source.path.startsWith("lib/devnet/"))
        .flatMap((one) => one.names ?? [])
        .filter((name) => chanceNames.has(name))
        .map((name) => `${source.path}: ${name} belongs to lib/runtime`),
    ]);
