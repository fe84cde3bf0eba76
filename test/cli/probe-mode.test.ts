import { describe, expect, test } from "bun:test";
import {
  type ProbeSettings,
  type ProbeValues,
  readProbeSettings,
} from "../../cli/probe-settings.ts";
import { seedOnions } from "../address/known-onions.ts";

const TARGET = `${seedOnions[0]}:18083`;
const TOR = "127.0.0.1:9050";

function settings(values: ProbeValues): ProbeSettings {
  return readProbeSettings([TARGET], values);
}

describe("the modes of a probe", () => {
  test("default, prefer-tor and only-onion; the stricter of two counts", () => {
    expect(settings({}).mode).toBe("default");
    expect(settings({ preferTor: true }).mode).toBe("prefer-tor");
    expect(settings({ onlyOnion: true, torProxy: TOR }).mode).toBe("only-onion");
    expect(settings({ onlyOnion: true, preferTor: true, torProxy: TOR }).mode).toBe("only-onion");
    expect(settings({ onlyOnion: true, txProxy: [`tor,${TOR}`] }).mode).toBe("only-onion");
  });

  test("only-onion takes the proxies that were named, and looks for none", () => {
    const { proxies, direct, control } = settings({ onlyOnion: true, torProxy: TOR });
    expect(proxies).toMatchObject({
      tor: { given: true, candidates: [{ place: { host: "127.0.0.1", port: 9050 } }] },
      ...{ i2p: undefined, public: undefined },
    });
    expect(direct).toBe(false);
    expect(control).toEqual({ kind: "none" });
    expect(settings({}).proxies).toMatchObject({ tor: { given: false }, i2p: { given: false } });
    const router = settings({ onlyOnion: true, txProxy: ["i2p,127.0.0.1:4447"] });
    expect(router.proxies).toMatchObject({ tor: undefined, i2p: { given: true } });
    expect(router.control).toEqual({ kind: "none" });
  });

  test("anonymize, in both spellings; only-onion is the stricter", () => {
    for (const values of [{ anonymize: true }, { revealIPAddress: "false" }]) {
      expect(settings({ ...values, torProxy: TOR }).mode).toBe("anonymize");
      expect(settings({ ...values, torProxy: TOR, preferTor: true }).mode).toBe("anonymize");
      expect(settings({ ...values, torProxy: TOR, onlyOnion: true }).mode).toBe("only-onion");
    }
    const { proxies, direct, control } = settings({ anonymize: true, torProxy: TOR });
    expect(proxies).toMatchObject({ tor: { given: true }, i2p: undefined, public: undefined });
    expect([direct, control]).toEqual([false, { kind: "none" }]);
  });

  test.each<[string, ProbeValues, string]>([
    ["no proxy", {}, "--anonymize needs a proxy"],
    ["--direct", { torProxy: TOR, direct: true }, "--direct asks for another way"],
    ["--proxy", { torProxy: TOR, proxy: "127.0.0.1:1080" }, "--proxy asks for another way"],
    ["a far control port", { torProxy: TOR, torControl: "192.0.2.1:9051" }, "--anonymize never"],
    ["its opposite", { torProxy: TOR, revealIPAddress: "true" }, "exclude each other"],
  ])("anonymize refuses %s", (_, values, said) => {
    expect(() => settings({ ...values, anonymize: true })).toThrow(said);
  });

  test.each<[string, ProbeValues, string]>([
    ["no proxy", {}, "--only-onion needs a proxy"],
    ["--direct", { torProxy: TOR, direct: true }, "--direct asks for it"],
    ["--proxy", { torProxy: TOR, proxy: "127.0.0.1:1080" }, "--proxy asks for it"],
    ["a far control port", { torProxy: TOR, torControl: "192.0.2.1:9051" }, "--tor-control"],
    ["two proxies", { torProxy: TOR, txProxy: [`tor,${TOR}`] }, "--tor-proxy and --tx-proxy"],
  ])("only-onion refuses %s", (_, values, said) => {
    expect(() => settings({ ...values, onlyOnion: true })).toThrow(said);
  });
});
