import { Command } from "commander";
import { ServiceError } from "../lib/hs/error.ts";
import { makeClient, type ServiceCredential } from "../lib/hs/make.ts";
import type { ServiceRecord } from "../lib/hs/record.ts";
import type { ServiceStore } from "../lib/hs/store.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { clientKeyText, parseClientKeyText } from "../lib/tor/client-auth.ts";
import { addCommonOptions, type CommonValues, dataDirOf, storeOf } from "./hs-options.ts";
import { commandLine, printJson, printLines } from "./hs-text.ts";

interface AddValues extends CommonValues {
  readonly publicKey?: string;
  readonly showKey?: true;
}

interface RemoveValues extends CommonValues {
  readonly open?: true;
}

/** `anonctl hs auth`. */
export function authCommand(): Command {
  return new Command("auth")
    .description("Say which clients may connect to an onion service.")
    .exitOverride()
    .allowExcessArguments(false)
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand())
    .addHelpText(
      "after",
      "\nA running anonctl hs serve takes changes up within a second.\n\nExamples:\n  $ anonctl hs auth add web laptop\n  $ anonctl hs auth list web\n  $ anonctl hs auth remove web laptop",
    );
}

function addCommand(): Command {
  const command = new Command("add")
    .description("Let a client in; the first one shuts everybody else out.")
    .argument("<NAME>", "the service")
    .argument("<CLIENT>", "what to call the client")
    .option("--public-key <KEY>", "the client made its own key: 52 characters of base32")
    .option("--show-key", "print the client's secret line");
  return addCommonOptions(command).action((name: string, client: string, values: AddValues) => {
    const store = storeOf(values);
    const made = credentialFor(store, name, client, values.publicKey);
    const record = store.addClient(name, made.client, made.credential);
    const file = made.credential === undefined ? null : store.clientFile(name, client);
    const shown = values.showKey === true ? made.credential?.trim() : undefined;
    if (values.json === true) {
      const secret = shown === undefined ? {} : { credential: shown };
      printJson({ schema: "anonctl.hs.client.v1", service: name, ...made.client, file, ...secret });
      return;
    }
    printLines([
      `"${client}" may connect to "${name}" (${record.address}).`,
      `  public key  ${made.client.public_key}`,
      ...(file === null
        ? []
        : [`  its file    ${file}: a secret, for the ClientOnionAuthDir of the client's tor`]),
      ...(shown === undefined ? [] : [`  its line    ${shown}`]),
      ...hint(record, dataDirOf(values)),
    ]);
  });
}

function listCommand(): Command {
  const command = new Command("list")
    .description("List the clients that may connect.")
    .argument("<NAME>", "the service");
  return addCommonOptions(command).action((name: string, values: CommonValues) => {
    const store = storeOf(values);
    const { clients } = store.get(name).record;
    const rows = clients.map((client) => ({
      ...client,
      file: store.hasClientFile(name, client.name) ? store.clientFile(name, client.name) : null,
    }));
    if (values.json === true) {
      printJson({ schema: "anonctl.hs.clients.v1", service: name, clients: rows });
    } else if (rows.length === 0) printLines([`Everybody may connect to "${name}".`]);
    else {
      printLines(
        rows.map((row) => `${row.name}  ${row.public_key}  ${row.file ?? "made its own key"}`),
      );
    }
  });
}

function removeCommand(): Command {
  const command = new Command("remove")
    .description("Let a client in no longer.")
    .argument("<NAME>", "the service")
    .argument("<CLIENT>")
    .option("--open", "also where no client is left, and everybody may connect then");
  return addCommonOptions(command).action((name: string, client: string, values: RemoveValues) => {
    const store = storeOf(values);
    const { clients } = store.get(name).record;
    const last = clients.length === 1 && clients[0]?.name === client;
    if (last && values.open !== true) {
      throw new ServiceError(
        "not-fit",
        "config",
        `"${client}" is the last client of "${name}": without it everybody may connect; add --open if that is meant, or add another client first.`,
      );
    }
    const record = store.removeClient(name, client);
    if (values.json === true) {
      printJson({ schema: "anonctl.hs.client-removed.v1", service: name, name: client });
      return;
    }
    const who = last ? "everybody may connect now" : `${record.clients.length} may still connect`;
    printLines([
      `"${client}" may connect to "${name}" no longer; ${who}.`,
      ...hint(record, dataDirOf(values)),
    ]);
  });
}

function credentialFor(
  store: ServiceStore,
  name: string,
  client: string,
  publicKey: string | undefined,
): Pick<ServiceCredential, "client"> & { readonly credential: string | undefined } {
  const { record } = store.get(name);
  if (record.kind !== "onion") {
    throw new ServiceError(
      "not-fit",
      "config",
      `"${name}" is an I2P service; only onion services know their clients by key.`,
    );
  }
  if (publicKey === undefined) return makeClient(client, record.address, systemRandom);
  const key = clientKeyText(parseClientKeyText(publicKey));
  return { client: { name: client, public_key: key }, credential: undefined };
}

/** Tor keeps a detached service as it was. */
function hint(record: ServiceRecord, dataDir: string): string[] {
  if (!record.detached) return [];
  return [
    `Tor still has it up as it was before; to change that: ${commandLine(`serve ${record.name} --detach`, dataDir)}`,
  ];
}
