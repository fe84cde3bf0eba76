import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePlace, placeText } from "../../lib/tor/control-place.ts";
import { controlPlaces, detectControl, detectSocks, socksPlaces } from "../../lib/tor/detect.ts";
import { closeAll, closedPort, listening, rejection } from "../socks/loopback.ts";
import { fakeTor } from "./fake-tor.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "anonctl-detect-"));
});

afterEach(() => {
  closeAll();
  rmSync(folder, { recursive: true, force: true });
});

const at = (port: number) => ({ host: "127.0.0.1", port });

describe("the control port", () => {
  test("is looked for where tor and Tor Browser have it, Debian's socket first", () => {
    expect(controlPlaces.map(placeText)).toEqual([
      "unix:/run/tor/control",
      "unix:/var/run/tor/control",
      "127.0.0.1:9051",
      "127.0.0.1:9151",
    ]);
    expect(socksPlaces.map(placeText)).toEqual(["127.0.0.1:9050", "127.0.0.1:9150"]);
  });

  test("is the first place where tor answers; nothing but PROTOCOLINFO is sent", async () => {
    const web = await listening((socket) => socket.end("HTTP/1.0 400 Bad Request\r\n\r\n"));
    const mute = await listening(() => undefined);
    const tor = await fakeTor(() => undefined);
    const unix = await fakeTor(() => undefined, join(folder, "control"));
    const before = [
      { path: join(folder, "no") },
      at(await closedPort()),
      at(web.port),
      at(mute.port),
    ];
    const places = [...before, tor.place, unix.place];
    const found = await detectControl({ places, deadlineMs: 200 });
    expect(found).toMatchObject({ place: tor.place, protocol: { version: "0.4.9.11" } });
    expect(tor.commands).toEqual(["PROTOCOLINFO 1"]);
    expect(unix.commands).toEqual([]);
    expect(await detectControl({ places: [unix.place] })).toMatchObject({ place: unix.place });
    expect(await detectControl({ places: before, deadlineMs: 200 })).toBeUndefined();
  });

  test("a search that is called off ends", async () => {
    const mute = await listening(() => undefined);
    const aborting = new AbortController();
    const options = { places: [at(mute.port)], signal: aborting.signal };
    const searches = [rejection(detectControl(options)), rejection(detectSocks(options))];
    aborting.abort();
    for (const search of searches) expect(await search).toMatchObject({ code: "aborted" });
    expect(await rejection(detectSocks(options))).toMatchObject({ code: "aborted" });
  });
});

test("the SOCKS port is the first place that takes a greeting", async () => {
  const mute = await listening(() => undefined);
  const refusing = await listening((socket) =>
    socket.on("data", () => socket.write("\x05\xff", "latin1")),
  );
  const heard: string[] = [];
  const socks = await listening((socket) => {
    socket.on("data", (chunk) => {
      heard.push(Buffer.from(chunk).toString("hex"));
      socket.write("\x05");
      socket.write("\0");
    });
  });
  const before = [at(await closedPort()), at(mute.port), at(refusing.port)];
  const found = await detectSocks({ places: [...before, at(socks.port)], deadlineMs: 200 });
  expect(found).toEqual(at(socks.port));
  expect(heard).toEqual(["050100"]);
  expect(await detectSocks({ places: before, deadlineMs: 200 })).toBeUndefined();
});

test("places are read and written as tor does", () => {
  for (const text of ["127.0.0.1:9051", "[::1]:9051", "unix:/run/tor/control"]) {
    expect(placeText(parsePlace(text))).toBe(text);
  }
  expect(parsePlace("9051")).toEqual({ host: "127.0.0.1", port: 9051 });
  for (const bad of ["", "localhost:9051", "127.0.0.1:0", "127.0.0.1:65536", "unix:", "::1:9051"]) {
    expect(() => parsePlace(bad)).toThrow(expect.objectContaining({ code: "command-invalid" }));
  }
});
