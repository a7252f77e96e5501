import { transformSync } from 'esbuild'

/** Strings and regular expressions of code that esbuild has minified. */
const LITERAL =
  /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<=[=(,:[!&|?{};+])\/(?:[^/\\[]|\\.|\[(?:[^\]\\]|\\.)*\])+\/[a-z]*/gs
/** A set or a map of constants is a constant. */
const COLLECTION = /\bnew (?:Set|Map)\(/g
const LOGIC = /=>|\b(?:function|class|if|for|while|switch|try|import)\b|[\w$)\]]\(/

/** True if a source does more than declare types and constants: it has a function, a class, a call or a statement. */
export function hasLogic(source: string, loader: 'ts' | 'js'): boolean {
  const { code } = transformSync(source, {
    loader,
    format: 'esm',
    minifyWhitespace: true,
    legalComments: 'none',
    supported: { 'template-literal': false },
  })
  const bare = code
    .replace(LITERAL, '0')
    .replaceAll('0.concat(', '0+(')
    .replace(COLLECTION, 'new (')
    .replace(/(?:^|;)(?:import|export)[\w\s{},*$]*(?:from)?0;/g, ';')
  return LOGIC.test(bare)
}
