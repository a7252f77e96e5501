/** Output of the demo in the terminal. */
export interface Console {
  readonly title: (text: string) => void
  /** A new step, numbered. */
  readonly step: (text: string) => void
  /** A result of the step. */
  readonly detail: (text: string) => void
  /** Something that happened. */
  readonly event: (text: string) => void
  /** A check and whether it passed. */
  readonly check: (ok: boolean, text: string) => void
  /** Why the demo cannot go on. */
  readonly failure: (text: string) => void
}

/** Lines for people. Control characters are replaced, so that users and programs cannot move the cursor. */
export function createConsole(write: (line: string) => void): Console {
  let steps = 0
  const print = (line: string) => write(line.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, '\ufffd'))
  return {
    title: print,
    step: text => print(`\n${++steps}. ${text}`),
    detail: text => print(`   ${text}`),
    event: text => print(`   ${new Date().toTimeString().slice(0, 8)}  ${text}`),
    check: (ok, text) => print(`   ${ok ? 'ok    ' : 'FAILED'}  ${text}`),
    failure: text => print(`\nFAILED: ${text}`),
  }
}
