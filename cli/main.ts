// Only the table of commands: what a command needs is loaded when it is called, so that
// `--version` and a mistyped name answer in milliseconds.
import process from "node:process";

declare const ANONCTL_VERSION: string;

/** Set by the build from package.json; a run from source has no number. */
const version = typeof ANONCTL_VERSION === "string" ? ANONCTL_VERSION : "0.0.0-source";

const commands: Readonly<Record<string, { about: string; load: () => Promise<Loaded> }>> = {
  node: {
    about: "Relay Monero transactions over Tor or I2P inside noise",
    load: async () => (await import("./node.ts")).nodeCommand(),
  },
  hs: {
    about: "Make hidden services and keep them up",
    load: async () => (await import("./hs.ts")).hsCommand(),
  },
  probe: {
    about: "Tell whether an address can be reached, and which layer fails",
    load: async () => (await import("./probe.ts")).probeCommand(),
  },
  peers: {
    about: "Keep the addresses of other nodes, each zone by itself",
    load: async () => (await import("./peers.ts")).peersCommand(),
  },
  "noise-capture": {
    about: "Measure a link's shape, and say how well it hides",
    load: async () => (await import("./noise-capture.ts")).noiseCaptureCommand(),
  },
  devnet: {
    about: "Run a private network on this machine, to try things on",
    load: async () => (await import("./devnet.ts")).devnetCommand(),
  },
};

interface Loaded {
  parseAsync(argv: readonly string[], options: { from: "user" }): Promise<unknown>;
}

const HELP = `Usage: anonctl COMMAND [OPTION...]

Speak to a peer-to-peer network over Tor and I2P without showing when or how much you said.

Commands:
${Object.entries(commands)
  .map(([name, { about }]) => `  ${name.padEnd(15)}${about}`)
  .join("\n")}

Options:
  -V, --version  Print the version
  -h, --help     Print this; anonctl COMMAND --help tells of one command

Examples:
  $ anonctl node --tx-proxy tor,127.0.0.1:9050 --add-peer NAME.onion:18083
  $ anonctl devnet up --simulated

Exit codes: 0 done; 1 what was tested failed; 2 usage or configuration; 3 something on this
machine is not there; 4 there was too little to tell; 70 a bug in anonctl; 130 interrupted.
`;

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  // Through the console: to load process.stdout takes longer than everything else in a start.
  if (name === "--version" || name === "-V") {
    console.log(`anonctl ${version}`);
    return 0;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    console.log(HELP.trimEnd());
    return 0;
  }
  if (name === undefined) {
    process.stderr.write(HELP);
    return 2;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const known = Object.keys(commands).join(", ");
    process.stderr.write(
      `anonctl: "${name}" is not a command; there are ${known}. See anonctl --help.\n`,
    );
    return 2;
  }
  const { runCommand } = await import("./run.ts");
  return await runCommand(name, async () => {
    const loaded = await command.load();
    await loaded.parseAsync(rest, { from: "user" });
  });
}

process.exitCode = await main(process.argv.slice(2));
