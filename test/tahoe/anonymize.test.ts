import { describe, expect, test } from "bun:test";
import { type Anonymized, anonymize, settingLines } from "../../lib/tahoe/anonymize.ts";
import { checkTahoeCfg } from "../../lib/tahoe/cfg.ts";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { ONION, useCaseFiles } from "./use-cases.ts";

const service = {
  location: `tor:${ONION}:3457`,
  port: "tcp:3457:interface=127.0.0.1",
} as const;

/** The file with the settings in place, as Tahoe-LAFS reads it: the last of two values counts. */
function mended(text: string, { settings }: Anonymized): string {
  return `${text}\n${settingLines(settings).join("\n")}\n`;
}

describe("anonymize", () => {
  test.each([
    ["an empty file", "", undefined, 3, undefined],
    ["an empty file, with a service", "", service, 3, 3],
    ["a client of use case 1", useCaseFiles.client1, undefined, 3, undefined],
    ["a client of use case 2", useCaseFiles.client2, undefined, 3, undefined],
    ["a client of use case 3", useCaseFiles.client3, undefined, 3, undefined],
    ["a client that becomes a server", useCaseFiles.client2, service, 3, 3],
    ["a server of use case 3", useCaseFiles.server3, undefined, 3, 3],
    ["the same with another service", useCaseFiles.server3, service, 3, 3],
    ["an open listener", useCaseFiles.server3.replace("listen:tor", "tcp:3457"), undefined, 3, 3],
    [
      "the proposal's spelling",
      "[node]\nanonymize = true\ntub.location = onion:80:hiddenServiceDir=/x\n",
      service,
      3,
      3,
    ],
  ] as const)("%s becomes safe, and stays so", (_, text, wish, client, server) => {
    const result = anonymize(text, wish);
    const after = mended(text, result);
    expect(result.remaining).toEqual([]);
    expect(checkTahoeCfg(after)).toMatchObject({ safe: true, hides: true, client, server });
    const again = anonymize(after, wish);
    expect(again.settings.every(({ was, value }) => was === value)).toBe(true);
  });

  test.each([
    ["AUTO", useCaseFiles.server1.replace("tcp:storage.example.com:3457", "AUTO"), "Line 3"],
    ["AUTODETECT beside an onion", "[node]\ntub.location = AUTODETECT,tor:x.onion:1\n", "Line 2"],
    ["a tcp hint", useCaseFiles.server1, "tcp hint"],
    ["a tcp hint beside an onion", useCaseFiles.server2, "tcp hint"],
    ["a type in upper case", "[node]\ntub.location = TCP:1.2.3.4:80\n", "not safe"],
    ["another value's", "[node]\ntub.location = %(nickname)s\n", "not safe"],
    ["an onion without a listener", "[node]\ntub.location = tor:x.onion:1\n", "nowhere to listen"],
    ["another port each time", useCaseFiles.server3.replace("listen:tor", "0"), "each start"],
    ["an unknown way", "[connections]\ntcp = carrier-pigeon\n", "Line 2"],
  ])("it is an error to have %s", (_, text, words) => {
    expect(() => anonymize(text, undefined)).toThrow(words);
    expect(() => anonymize(text, undefined)).toThrow(TahoeError);
  });

  test("what is announced in the open is an error beside a service too", () => {
    expect(() => anonymize(useCaseFiles.server2, service)).toThrow("tcp hint");
  });

  test("every client endpoint that is not of Tor or I2P becomes one through Tor", () => {
    const furl = `pb://sisi4zenj7cxncgvdog7szg3yxbrnamy@tcp:1.2.3.4:5,h.example:6,tor:${ONION}:7/swordfish`;
    const text = `[client]\nintroducer.furl = ${furl}\n`;
    const { endpoints, settings } = anonymize(text, undefined);
    expect(endpoints).toEqual([
      { line: 2, option: "introducer.furl", from: "tcp:1.2.3.4:5", to: "tor:1.2.3.4:5" },
      { line: 2, option: "introducer.furl", from: "h.example:6", to: "tor:h.example:6" },
    ]);
    expect(settings).toContainEqual({
      ...{ section: "connections", option: "tcp", value: "tor", was: undefined, line: undefined },
    });
    expect(JSON.stringify([endpoints, settings])).not.toContain("swordfish");
    const byI2p = anonymize(`${text}[connections]\ntcp = i2p\n`, undefined);
    expect([byI2p.endpoints, byI2p.settings.at(-1)?.value]).toEqual([[], "i2p"]);
  });

  test("a way that was switched off is switched on", () => {
    const { settings } = anonymize(useCaseFiles.client1, undefined);
    expect(settings.map(({ section, option, value }) => `${section} ${option} ${value}`)).toContain(
      "tor enabled true",
    );
  });

  test("what it can't mend is told", () => {
    const text = "[node]\nweb.port = tcp:3456\n[tor]\nsocks.port = tcp:10.0.0.1:9050\n";
    const { remaining } = anonymize(text, undefined);
    expect(remaining.map(({ line, code }) => `${line} ${code}`)).toEqual([
      "2 other-listener",
      "4 proxy-elsewhere",
    ]);
  });
});
