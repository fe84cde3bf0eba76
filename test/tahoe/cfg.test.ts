import { describe, expect, test } from "bun:test";
import { checkTahoeCfg } from "../../lib/tahoe/cfg.ts";
import { locationCases } from "./cases.ts";
import { ONION, useCaseFiles } from "./use-cases.ts";

/** Findings in short: line, level and code. */
function found(text: string): string[] {
  return checkTahoeCfg(text).findings.map(
    ({ line, level, code }) => `${line ?? "-"} ${level} ${code}`,
  );
}

/** Whether Tahoe-LAFS would refuse to start, as far as this tool tells. */
function hasError(text: string, ...codes: readonly string[]): boolean {
  return checkTahoeCfg(text).findings.some(
    ({ level, code }) => level === "error" || codes.includes(code),
  );
}

describe("the use cases", () => {
  test.each([
    ["client1", 1, undefined, ["- leak not-asked-to-hide", "- leak dials-in-the-open"]],
    ["client2", 2, undefined, ["- leak not-asked-to-hide", "- leak dials-in-the-open"]],
    ["client3", 3, undefined, []],
    [
      "server1",
      1,
      1,
      [
        "- leak not-asked-to-hide",
        "- leak dials-in-the-open",
        "2 leak listens-everywhere",
        "3 leak location-tcp",
      ],
    ],
    [
      "server2",
      2,
      2,
      [
        "- leak not-asked-to-hide",
        "- leak dials-in-the-open",
        "2 leak listens-everywhere",
        "3 leak location-tcp",
      ],
    ],
    ["server3", 3, 3, []],
  ] as const)("%s", (name, client, server, findings) => {
    const verdict = checkTahoeCfg(useCaseFiles[name]);
    expect([verdict.client, verdict.server]).toEqual([client, server]);
    expect(found(useCaseFiles[name])).toEqual([...findings]);
    expect(verdict.safe).toBe(findings.length === 0);
    expect(verdict.hides).toBe(name.endsWith("3"));
  });

  test("in the proposal's spelling", () => {
    const client = "[node]\nanonymize = true\ntub.port = disabled\ntub.location = UNREACHABLE\n";
    const verdict = checkTahoeCfg(`${client}[connections]\ntcp = tor\n`);
    expect(verdict).toMatchObject({ safe: true, hides: true, client: 3, server: undefined });
    expect(verdict.findings.map(({ code }) => code)).toEqual([
      "proposal-spelling",
      "location-remark",
    ]);
    const server = `[node]
anonymize = true
tub.port = onion:80:hiddenServiceDir=/var/lib/tor/my_service
tub.location = "onion:80:hiddenServiceDir=/var/lib/tor/my_service"
[connections]
tcp = tor
`;
    expect(checkTahoeCfg(server)).toMatchObject({ safe: true, client: 3, server: 3 });
    const both = server.replace('"onion', '"AUTODETECT,onion');
    expect(checkTahoeCfg(both)).toMatchObject({ safe: false, server: 2 });
  });

  test("an empty file shows everything", () => {
    expect(found("")).toEqual([
      "- leak not-asked-to-hide",
      "- leak dials-in-the-open",
      "- leak listens-everywhere",
      "- leak location-auto",
    ]);
    expect(checkTahoeCfg("")).toMatchObject({ client: 2, server: 1 });
  });
});

describe("Tahoe-LAFS' own verdicts", () => {
  const { ports, handlers, locations } = locationCases();
  const file = (port: string, location: string): string =>
    `[node]\ntub.port = ${port}\ntub.location = ${location}\n`;

  test("there are all of them", () => {
    expect([locations.length, ports.length, handlers.length]).toEqual([22, 10, 6]);
  });

  test.each(ports.filter(({ value }) => value !== "tcp:0:interface=::1"))(
    "tub.port = $value starts alike",
    ({ value, withAuto, withOnion }) => {
      const provider = value === "listen:tor" ? "[tor]\nonion.local_port = 1\n" : "";
      expect(hasError(file(value, "AUTO") + provider)).toBe(!withAuto);
      expect(hasError(file(value, "tor:x.onion:1") + provider)).toBe(!withOnion);
    },
  );

  test("tub.port = tcp:0:interface=::1 gets through there, and not here", () => {
    expect(ports.find(({ value }) => value === "tcp:0:interface=::1")?.withAuto).toBe(true);
    expect(found(file("tcp:0:interface=::1", "AUTO"))).toContain("2 error port-zero");
    expect(found(file("tcp:0:interface=\\:\\:1", "AUTO"))).toContain("2 error port-zero");
  });

  test.each(handlers)(
    "[connections] tcp = $value starts alike",
    ({ value, withTor, withoutTor }) => {
      const text = `[node]\nreveal-IP-address = false\ntub.port = disabled\ntub.location = disabled\n[connections]\ntcp = ${value}\n`;
      expect(checkTahoeCfg(text).safe).toBe(withTor);
      const open = `[node]\ntub.port = disabled\ntub.location = disabled\n`;
      const noTor = `${open}[connections]\ntcp = ${value}\n[tor]\nenabled = false\n`;
      expect(hasError(noTor)).toBe(!withoutTor);
    },
  );

  test("tub.location = disabled alone does not start there either", () => {
    expect(found(file("tcp:2000:interface=127.0.0.1", "disabled"))).toContain(
      "3 error half-disabled",
    );
  });
});

describe("a file that Tahoe-LAFS starts with, and shows where it is", () => {
  const hidden = useCaseFiles.client3;
  test.each([
    [
      "a flag swallowed by the line above",
      hidden.replace("\nreveal", "\n  reveal"),
      "- leak not-asked-to-hide",
    ],
    [
      "a section of another case",
      hidden.replace("[connections]", "[Connections]"),
      "- leak dials-in-the-open",
    ],
    ["a value of another", hidden.replace("tcp = tor", "tcp = %(x)s"), "7 error percent-sign"],
    [
      "a flag with a remark behind it",
      hidden.replace("= false", "= false # hide"),
      "3 error not-a-boolean",
    ],
    [
      "two flags that disagree",
      hidden.replace("[conn", "anonymize = no\n[conn"),
      "6 error flags-disagree",
    ],
    ["an unknown way", hidden.replace("tcp = tor", "tcp = tor2"), "7 error handler-unknown"],
    [
      "a way that is off",
      hidden.replace("socks.port", "enabled = no\nsocks.port"),
      "7 error handler-disabled",
    ],
    [
      "a proxy on another machine",
      hidden.replace("unix:/run/tor/socks", "tcp:10.0.0.1:9050"),
      "9 leak proxy-elsewhere",
    ],
    [
      "a proxy by name",
      hidden.replace("unix:/run/tor/socks", "tcp:localhost:9050"),
      "9 leak proxy-elsewhere",
    ],
    [
      "no endpoint of a proxy",
      hidden.replace("unix:/run/tor/socks", "9050"),
      "9 error proxy-invalid",
    ],
    [
      "a web port for all",
      hidden.replace("[conn", "web.port = tcp:3456\n[conn"),
      "6 leak other-listener",
    ],
    ["SFTP for all", `${hidden}[sftpd]\nenabled = true\n`, "- leak other-listener"],
    [
      "a mistyped option",
      hidden.replace("reveal-IP-address", "reveal-IP-adress"),
      "3 error name-unknown",
    ],
    [
      "an onion service without control",
      `${hidden}onion = true\n`,
      "10 error onion-without-control",
    ],
    [
      "I2P twice",
      `${hidden}[i2p]\nsam.port = tcp:127.0.0.1:7656\nlaunch = yes\n`,
      "11 error sam-and-launch",
    ],
    ["a destination without SAM", `${hidden}[i2p]\ndest = yes\n`, "11 error dest-without-sam"],
    ["an empty port", useCaseFiles.server3.replace("listen:tor", ""), "3 error port-empty"],
    [
      "a listener for all",
      useCaseFiles.server3.replace("listen:tor", "tcp:3457"),
      "3 leak listens-everywhere",
    ],
    [
      "a second listener for all",
      useCaseFiles.server3.replace("listen:tor", "listen:tor,tcp:1"),
      "3 leak listens-everywhere",
    ],
    [
      "no port at all",
      useCaseFiles.server3.replace("tub.port = listen:tor\n", ""),
      "- leak listens-everywhere",
    ],
    [
      "a hint on the next line",
      useCaseFiles.server3.replace(":3457\n", ":3457,\n  tcp:1.2.3.4:5\n"),
      "4 leak location-tcp",
    ],
    [
      "a second location",
      useCaseFiles.server3.replace("[conn", "tub.location = AUTO\n[conn"),
      "5 leak location-auto",
    ],
    [
      "a location from DEFAULT",
      `[DEFAULT]\ntub.location = AUTO\n[node]\ntub.port = tcp:1\n`,
      "2 leak location-auto",
    ],
  ])("%s", (_, text, expected) => {
    expect(found(text)).toContain(expected);
    expect(checkTahoeCfg(text).safe).toBe(false);
  });

  test("no finding holds a secret", () => {
    const text = `[node]\nlog_gatherer.furl = pb://x@tcp:1.2.3.4:5/swordfish\n[client]\nintroducer.furl = pb://x@tcp:1.2.3.4:5/swordfish\n[tor]\nsocks.port = tcp:me:swordfish@1.2.3.4:5\n`;
    const reasons = checkTahoeCfg(text.replace("tcp:me:swordfish@", "tcp:")).findings;
    expect(JSON.stringify(reasons)).not.toContain("swordfish");
    expect(reasons.map(({ code }) => code)).toContain("logs-leave");
  });

  test("I2P leads there too", () => {
    const text = useCaseFiles.client3.replace("tcp = tor", "tcp = i2p");
    expect(checkTahoeCfg(text)).toMatchObject({ safe: true, client: 3 });
    const server = `[node]\nreveal-IP-address = no\ntub.port = listen:i2p\ntub.location = i2p:${"a".repeat(52)}.b32.i2p:3457,tor:${ONION}:1\n[connections]\ntcp = disabled\n[i2p]\nsam.port = tcp:127.0.0.1:7656\ndest = true\ndest.port = 3457\ndest.private_key_file = private/i2p\n`;
    expect(checkTahoeCfg(server)).toMatchObject({ safe: true, client: 3, server: 3, findings: [] });
  });
});
