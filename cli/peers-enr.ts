import process from "node:process";
import { Command } from "commander";
import { parseEnode } from "../lib/ethereum/enode.ts";
import { formatRecord, type NodeRecord, pairKeyText, parseRecord } from "../lib/ethereum/enr.ts";
import { keepRecord, keyAt, readKeptRecord, readNodeKey } from "../lib/ethereum/enr-key.ts";
import { readPairKey } from "../lib/ethereum/enr-pair.ts";
import {
  changesTo,
  makeRecord,
  type RecordChanges,
  updateRecord,
} from "../lib/ethereum/enr-write.ts";
import { EthereumError } from "../lib/ethereum/error.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import {
  addKeyOptions,
  addPairOptions,
  checkEnodeKey,
  type KeyValues,
  keyFileOf,
  type PairValues,
  readName,
  readPairs,
  readSequence,
  recordOf,
} from "./peers-enr-options.ts";
import {
  describeEnode,
  describeRecord,
  enodeDocument,
  problemOf,
  type RecordProblem,
  type RecordReport,
  recordDocument,
} from "./peers-enr-text.ts";
import { Exit } from "./run.ts";
import { UsageError } from "./usage-error.ts";

interface SetValues extends PairValues {
  readonly remove?: readonly string[];
}

interface ReadValues extends KeyValues {
  readonly lenient?: true;
}

const EXAMPLES = `
Examples:
  A key, and a record with an onion name; then another port; then what the record says:
  $ anonctl peers enr make --onion3 NAME.onion --tcp 30303
  $ anonctl peers enr set --tcp 30304
  $ anonctl peers enr show

  Somebody else's record:
  $ anonctl peers enr show enr:-IS4Q...
  $ anonctl peers enr verify enr:-IS4Q... && echo it is good`;

const MAKE_HELP = `
The key is made where it is missing, for its owner only, and never printed. The newest record of a
key is kept beside it, as FILE.enr: made again with other pairs, the number goes up by one; with the
same pairs, the same record is printed.

Examples:
  $ anonctl peers enr make --onion3 NAME.onion --tcp 30303
  $ anonctl peers enr make --key ~/.ethereum/geth/nodekey --enode 'enode://KEY@203.0.113.7:30303'
  $ anonctl peers enr make --ip 203.0.113.7 --tcp 30303 --pair client=anonctl --pair snap=rlp:c0`;

/** `anonctl peers enr`: node records of Ethereum. */
export function enrCommand(): Command {
  return new Command("enr")
    .description("Make, change and check the records by which Ethereum nodes are found (EIP-778).")
    .exitOverride()
    .allowExcessArguments(false)
    .addHelpText("after", EXAMPLES)
    .addCommand(makeCommand())
    .addCommand(setCommand())
    .addCommand(showCommand())
    .addCommand(verifyCommand());
}

function makeCommand(): Command {
  const command = new Command("make")
    .description("Make a record that holds these pairs, and a key where there is none.")
    .addHelpText("after", MAKE_HELP);
  return addKeyOptions(addPairOptions(command)).action((values: PairValues) => make(values));
}

function setCommand(): Command {
  const command = new Command("set")
    .description("Set or remove pairs of a record; all others stay. Its key must be there.")
    .argument("[ENR]", "the record, - for standard input (default: the newest of the key)")
    .addHelpText(
      "after",
      "\nThe sequence number goes up by one when something changes, and only then.\n\nExamples:\n  $ anonctl peers enr set --tcp 30304 --remove ip --remove udp\n  $ anonctl peers enr set enr:-IS4Q... --key ~/.ethereum/geth/nodekey --onion3 NAME.onion",
    )
    .option(
      "--remove <KEY>",
      "take a pair out",
      (value: string, before: readonly string[] = []) => [...before, value],
    );
  return addKeyOptions(addPairOptions(command)).action(
    (word: string | undefined, values: SetValues) => set(word, values),
  );
}

function showCommand(): Command {
  const command = new Command("show")
    .description("Show who a record or an enode URL names, and every pair of it.")
    .argument("[NAME]", "enr:... or enode://..., - for standard input (default: our newest record)")
    .addHelpText("after", "\nExamples:\n  $ anonctl peers enr show enr:-IS4Q... --json");
  return addLenient(addKeyOptions(command)).action((word: string | undefined, values: ReadValues) =>
    show(word, values),
  );
}

function verifyCommand(): Command {
  const command = new Command("verify")
    .description("Check a record: exit code 0 when all of it is good, 1 with the reason when not.")
    .argument("<ENR>", "the record, - for standard input")
    .exitOverride()
    .allowExcessArguments(false)
    .option("--json", "print a JSON document on stdout")
    .addHelpText(
      "after",
      "\nChecked are: base64, RLP, at most 300 bytes, keys sorted and each once, the identity scheme,\nthe signature, and the values of all keys whose meaning is known.\n\nExamples:\n  $ anonctl peers enr verify enr:-IS4Q...",
    );
  return addLenient(command).action((word: string, values: ReadValues) => verify(word, values));
}

function addLenient(command: Command): Command {
  return command.option("--lenient", "take an onion name with a wrong checksum, as gethrelay does");
}

function make(values: PairValues): void {
  const file = keyFileOf(values);
  const sequence = readSequence(values.seq);
  const pairs = readPairs(values);
  // A key made now can't be that of a node which has an enode URL already.
  const { privateKey, isNew } =
    values.enode === undefined
      ? keyAt(file, systemRandom)
      : { privateKey: readNodeKey(file), isNew: false };
  if (isNew) tell(`Made the key ${file}; whoever has it is the node.`);
  checkEnodeKey(values.enode, privateKey);
  const kept = readKeptRecord(file, privateKey);
  const record =
    kept === undefined
      ? makeRecord({ privateKey, sequence, pairs })
      : updateRecord(kept, privateKey, changesTo(kept, pairs), { sequence });
  keep(file, record, kept, values);
}

function set(word: string | undefined, values: SetValues): void {
  const file = keyFileOf(values);
  const sequence = readSequence(values.seq);
  const changes = readChanges(values);
  if (Object.keys(changes).length === 0 && sequence === undefined) {
    throw new UsageError("bad-option", "Nothing is to be set; give a pair, as in --tcp 30303.");
  }
  const privateKey = readNodeKey(file);
  checkEnodeKey(values.enode, privateKey);
  const base = recordOf(word, values);
  const kept = readKeptRecord(file, privateKey);
  let record = updateRecord(base, privateKey, changes, { sequence });
  if (record !== base && kept !== undefined && record.sequence <= kept.sequence) {
    // Others may hold the kept record, and would not take an older number for news.
    if (sequence !== undefined) throw notAbove(sequence, kept);
    record = updateRecord(base, privateKey, changes, { sequence: kept.sequence + 1n });
  }
  if (record === base) {
    tell(`Nothing changes; the record stays as it is, number ${base.sequence}.`);
  }
  keep(file, record, kept, values);
}

function readChanges(values: SetValues): RecordChanges {
  const pairs = readPairs(values);
  const gone = (values.remove ?? []).map(readPairKey);
  const both = gone.find((key) => Object.hasOwn(pairs, key));
  if (both === undefined) {
    return { ...Object.fromEntries(gone.map((key) => [key, undefined])), ...pairs };
  }
  throw new UsageError(
    "bad-option",
    `--remove ${pairKeyText(both)} takes out what is to be set; leave one out.`,
  );
}

function notAbove(sequence: bigint, kept: NodeRecord): UsageError {
  return new UsageError(
    "bad-option",
    `--seq ${sequence} is not above ${kept.sequence}, the number of the record that is kept.`,
  );
}

function keep(
  file: string,
  record: NodeRecord,
  kept: NodeRecord | undefined,
  values: KeyValues,
): void {
  if (kept === undefined || record.sequence > kept.sequence) keepRecord(file, record, systemRandom);
  if (record.pairs.has("onion3") && (record.pairs.has("ip") || record.pairs.has("ip6"))) {
    tell(
      "WARNING: the record tells everybody that the onion name and the IP address are one node.",
    );
  }
  if (values.json === true) printJson(recordDocument({ record, options: {}, keyFile: file }));
  else print([formatRecord(record.bytes)]);
}

function show(word: string | undefined, values: ReadValues): void {
  const name = word === undefined ? undefined : readName(word);
  const options = { lenient: values.lenient };
  if (name?.startsWith("enode:") === true) {
    const enode = parseEnode(name, options);
    if (values.json === true) printJson(enodeDocument(enode));
    else print(describeEnode(enode));
    return;
  }
  const record = recordOf(name, values);
  const keyFile = word === undefined ? keyFileOf(values) : undefined;
  const report: RecordReport = { record, options, keyFile };
  if (values.json === true) printJson(recordDocument(report));
  else print(describeRecord(report));
}

function verify(word: string, values: ReadValues): void {
  const { nodeId, problem } = judge(readName(word), values);
  if (values.json === true) {
    printJson({
      schema: "anonctl.peers.enr-verdict.v1",
      valid: problem === undefined,
      node_id: nodeId ?? null,
      problem: problem ?? null,
    });
  } else if (problem === undefined) print([`The record of the node ${nodeId} is good.`]);
  else tell(`anonctl peers enr verify: ${problem.message}`);
  if (problem !== undefined) throw new Exit(1);
}

function judge(
  text: string,
  values: ReadValues,
): { nodeId?: string; problem?: RecordProblem | undefined } {
  try {
    const record = parseRecord(text);
    const problem = problemOf(record, { lenient: values.lenient });
    return { nodeId: Buffer.from(record.nodeId).toString("hex"), problem };
  } catch (error) {
    if (!(error instanceof EthereumError)) throw error;
    return { problem: { code: error.code, message: error.message } };
  }
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

function printJson(document: { readonly [name: string]: unknown }): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
