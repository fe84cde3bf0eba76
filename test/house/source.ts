import {
  type ExportDeclaration,
  type ExportSpecifier,
  type FunctionLikeDeclaration,
  type ImportDeclaration,
  type ImportSpecifier,
  isCallExpression,
  isExportDeclaration,
  isFunctionLikeDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isNamedExports,
  isNamedImports,
  isNewExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  isVariableDeclaration,
  type Node,
  type SourceFile,
  SyntaxKind,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";

/** One import, re-export or `import()` with a literal name. */
export interface ImportFact {
  /** Module name as written. */
  readonly from: string;
  /** Whether nothing of it is left when types are erased. */
  readonly typeOnly: boolean;
  /** Values imported by `{ … }`, types left out; undefined where the whole module comes in. */
  readonly names: readonly string[] | undefined;
}

/** One function with a body. */
export interface FunctionFact {
  readonly name: string;
  /** Lines from its first to its last, its docstring not counted. */
  readonly lines: number;
}

/** What the house rules need to know of one source file. */
export interface SourceFact {
  /** Path relative to the repository's top. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly ImportFact[];
  readonly functions: readonly FunctionFact[];
  /** Every name in the code, properties and types too. */
  readonly names: ReadonlySet<string>;
  /** Every dotted chain (`Math.random`), called function (`fetch()`) and `new Date()`. */
  readonly uses: ReadonlySet<string>;
  /** Exported declarations without a docstring. */
  readonly undocumented: readonly string[];
}

/** Where the files seem to lie for the parser; nothing is read from the disk. */
const VIRTUAL_ROOT = "/house";

const declarationKinds: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.ClassDeclaration,
  SyntaxKind.InterfaceDeclaration,
  SyntaxKind.TypeAliasDeclaration,
  SyntaxKind.VariableStatement,
]);

/**
 * Reads source texts with TypeScript's own parser.
 *
 * @param texts path relative to the repository's top → source text
 * @returns what the rules need, in the order of `texts`
 * @throws Error when the parser gives no tree for a file
 */
export async function readSources(texts: ReadonlyMap<string, string>): Promise<SourceFact[]> {
  const files = new Map([...texts].map(([path, text]) => [`${VIRTUAL_ROOT}/${path}`, text]));
  const config = {
    compilerOptions: { allowJs: true, noLib: true, noResolve: true, types: [] },
    files: [...texts.keys()],
  };
  files.set(`${VIRTUAL_ROOT}/tsconfig.json`, JSON.stringify(config));
  const api = new API({
    cwd: VIRTUAL_ROOT,
    fs: {
      readFile: (path) => files.get(path) ?? null,
      fileExists: (path) => files.has(path),
      directoryExists: (path) => [...files.keys()].some((file) => file.startsWith(`${path}/`)),
      getAccessibleEntries: () => ({ files: [], directories: [] }),
      realpath: (path) => path,
    },
  });
  try {
    const snapshot = await api.updateSnapshot({ openProject: `${VIRTUAL_ROOT}/tsconfig.json` });
    const program = snapshot.getProject(`${VIRTUAL_ROOT}/tsconfig.json`)?.program;
    const facts: SourceFact[] = [];
    for (const [path, text] of texts) {
      const tree = await program?.getSourceFile(`${VIRTUAL_ROOT}/${path}`);
      if (tree === undefined) {
        throw new Error(`TypeScript gave no tree for ${path}.`);
      }
      facts.push(factsOf(path, text, tree));
    }
    return facts;
  } finally {
    await api.close();
  }
}

function factsOf(path: string, text: string, tree: SourceFile): SourceFact {
  const imports: ImportFact[] = [];
  const functions: FunctionFact[] = [];
  const names = new Set<string>();
  const uses = new Set<string>();
  const visit = (node: Node): void => {
    const found = importOf(node);
    if (found !== undefined) {
      imports.push(found);
    }
    if (isFunctionLikeDeclaration(node) && node.body !== undefined) {
      functions.push({ name: nameOf(node, tree), lines: linesOf(node.getText(tree)) });
    }
    if (isIdentifier(node)) {
      names.add(node.text);
    }
    const use = useOf(node, tree);
    if (use !== undefined) {
      uses.add(
        use
          .replaceAll("?.", ".")
          .replace(/\s+/g, "")
          .replace(/\bglobalThis\./, ""),
      );
    }
    node.forEachChild(visit);
  };
  visit(tree);
  const undocumented = tree.statements
    .filter((node) => isExportedDeclaration(node, tree) && !isDocumented(node, tree))
    .map(
      (node) =>
        node
          .getText(tree)
          .split(/[\n{=(]/, 1)[0]
          ?.trim() ?? "",
    );
  return {
    path,
    text,
    lines: linesOf(text.trimEnd()),
    imports,
    functions,
    names,
    uses,
    undocumented,
  };
}

function linesOf(text: string): number {
  return text.split("\n").length;
}

function nameOf(node: FunctionLikeDeclaration, tree: SourceFile): string {
  const own = "name" in node ? node.name : undefined;
  const given = isVariableDeclaration(node.parent) ? node.parent.name : undefined;
  const line = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
  return (own ?? given)?.getText(tree) ?? `function in line ${line}`;
}

function useOf(node: Node, tree: SourceFile): string | undefined {
  if (isPropertyAccessExpression(node)) {
    return node.getText(tree);
  }
  if (isCallExpression(node)) {
    return `${node.expression.getText(tree)}()`;
  }
  if (isNewExpression(node)) {
    const bare = node.arguments === undefined || node.arguments.length === 0;
    return `new_${node.expression.getText(tree)}(${bare ? "" : "…"})`;
  }
  return undefined;
}

function isExportedDeclaration(node: Node, tree: SourceFile): boolean {
  return declarationKinds.has(node.kind) && /^export\b/.test(node.getText(tree));
}

function isDocumented(node: Node, tree: SourceFile): boolean {
  return tree.text.slice(node.pos, node.getStart(tree)).includes("/**");
}

function importOf(node: Node): ImportFact | undefined {
  if (isImportDeclaration(node)) {
    return importFact(node);
  }
  if (isExportDeclaration(node)) {
    return exportFact(node);
  }
  if (isImportTypeNode(node)) {
    const from = literalIn(node.argument);
    return from === undefined ? undefined : { from, typeOnly: true, names: undefined };
  }
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
    const name = node.arguments[0];
    // A computed name cannot be checked, so it counts as a module that no rule allows.
    const from = name !== undefined && isStringLiteral(name) ? name.text : "(computed)";
    return { from, typeOnly: false, names: undefined };
  }
  return undefined;
}

function literalIn(node: Node): string | undefined {
  return isStringLiteral(node) ? node.text : node.forEachChild(literalIn);
}

function importFact(node: ImportDeclaration): ImportFact | undefined {
  if (!isStringLiteral(node.moduleSpecifier)) {
    return undefined;
  }
  const from = node.moduleSpecifier.text;
  const clause = node.importClause;
  if (clause === undefined) {
    return { from, typeOnly: false, names: undefined };
  }
  const bindings = clause.namedBindings;
  const elements =
    bindings !== undefined && isNamedImports(bindings) ? [...bindings.elements] : undefined;
  const typeOnly =
    clause.phaseModifier === SyntaxKind.TypeKeyword ||
    (clause.name === undefined && isAllTypes(elements));
  const names = clause.name === undefined ? elements?.flatMap(valueNames) : undefined;
  return { from, typeOnly, names };
}

function exportFact(node: ExportDeclaration): ImportFact | undefined {
  if (node.moduleSpecifier === undefined || !isStringLiteral(node.moduleSpecifier)) {
    return undefined;
  }
  const clause = node.exportClause;
  const elements =
    clause !== undefined && isNamedExports(clause) ? [...clause.elements] : undefined;
  return {
    from: node.moduleSpecifier.text,
    typeOnly: node.isTypeOnly || isAllTypes(elements),
    names: elements?.flatMap(valueNames),
  };
}

function valueNames(one: ExportSpecifier | ImportSpecifier): string[] {
  return one.isTypeOnly ? [] : [(one.propertyName ?? one.name).text];
}

function isAllTypes(elements: readonly { readonly isTypeOnly: boolean }[] | undefined): boolean {
  return elements !== undefined && elements.length > 0 && elements.every((one) => one.isTypeOnly);
}
