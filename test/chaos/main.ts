import { commandOf, HELP, type Options, parseOptions } from './options.ts'
import { toJson, toText, violations } from './report.ts'
import { clean, type Result, run } from './run.ts'

async function main(args: readonly string[]): Promise<number> {
  let options: Options | undefined
  try {
    options = parseOptions(args)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return 2
  }
  if (!options) {
    process.stdout.write(HELP)
    return 0
  }
  const say = (line: string) => (options.json ? process.stderr : process.stdout).write(`${line}\n`)
  say(`seed ${options.seed}`)
  let result: Result
  try {
    result = await run(options, say)
  } catch (error) {
    say(`the run could not be made: ${(error as Error).stack}`)
    say(`again: ${commandOf(options)}`)
    return 1
  }
  process.stdout.write(options.json ? `${JSON.stringify(toJson(result))}\n` : `${toText(result)}\n`)
  const failed = violations(result) > 0
  if (failed || options.keep) say(`what each end saw: ${result.folder}`)
  else await clean(result.folder)
  if (failed) say(`again: ${commandOf(options)}`)
  return failed ? 1 : 0
}

if (import.meta.main) {
  // With `exit`, the children are ended; a process that stands still at that moment would else do so for ever.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  process.exitCode = await main(process.argv.slice(2))
}
