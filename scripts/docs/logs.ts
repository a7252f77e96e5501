import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { type LogCall, logCalls } from './log-calls.ts'
import { code, table } from './markdown.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAMS = ['sidecar', 'balancer', 'hooks']

/** What the log lines mean, by their message. */
const MEANINGS: Readonly<Record<string, string>> = {
  'a client has to connect again':
    'This client cannot be moved, or no pod took it; it is closed with 1012. `reason` and `result` say why.',
  'a listener for members failed': 'A fault in ws-operator; please report it.',
  'a move failed': 'A fault in ws-operator while a client was moved; other moves continue. Please report it.',
  'a worker ended, another takes its place':
    'A worker process of the balancer ended unexpectedly; its clients saw 1006.',
  'a worker is busy and has answered nothing for long: it is killed': 'Its clients see 1006; another worker starts.',
  'a worker stands still, it answers nothing and uses no CPU time: it is killed':
    'Its clients see 1006; another worker starts.',
  'admin server listening': 'Health checks and metrics are available; the program is still starting.',
  'all pods of the app are new: clients are moved again':
    'The app had rejected moved clients; its new version has not done so yet.',
  answered: 'A hook call and its outcome.',
  'cannot start: …': 'The program exits with code 1, for example because its port is taken.',
  'clients that have not ended are cut off': 'The time for a clean end is over.',
  'clients that nobody took were closed': 'No balancer moved these clients before the sidecar stopped.',
  connected: 'A client’s connection is open. `connection` is the same in balancer and sidecar.',
  disconnected:
    'A connection ended, with its cause. At `warn` if the sidecar closed it for `no_room` or `slow_message`.',
  'discovery works again': '`after` names the problem that is over.',
  'discovery: …': 'The members could not be read; the message says why, and whether the old list is kept.',
  'handed over': 'The hand-over of a terminating pod is complete.',
  'handing over': 'The pod is terminating; its clients are moved to other pods.',
  'hook failed': 'A fault in the hooks; please report it, with the object.',
  'hook refused': 'A caller was refused (401, 411, 413, 429). At most one line in 10 s for each error code.',
  listening: 'The program serves.',
  'members changed': 'The member list changed.',
  'memory is full: connections that hold most of it are closed':
    'At most one line in 10 s. See [memory](guides/operate.md#wsoperatormemoryfull).',
  moved: 'A client continues on another member.',
  'request failed':
    'A handshake or request failed or was refused: `code`, `reason`, `upstream`, `path`. At most one line in 10 s for each error code; `suppressed` counts the others.',
  routed: 'An addressed message and its outcome.',
  shutdown: 'An error during shutdown.',
  'shutting down': 'A signal asked the program to end.',
  stayed: 'A client that was to be moved stays on this pod.',
  stopped: 'The program ended in an orderly way.',
  taken: 'A client that was moved here is now served here.',
  'the app rejected a client that was moved to it':
    'Its close `code` reaches the client as 1012, so that the client connects again.',
  'the app rejects moved clients: until all its pods are new, clients are closed with 1012 instead of moved':
    'Three moved clients were rejected. See [which clients are moved](guides/zero-loss.md#which-clients-are-moved).',
  'the hand-over failed': 'A fault during the hand-over, or its time was over.',
  'uncaught error': 'A fault in ws-operator; the process ends. Please report it.',
  'worker listening': 'A worker of the balancer serves.',
}

/** Messages that a call takes from elsewhere, by its source. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  'lib/service/log/failure-log.ts': ['request failed', 'hook refused'],
  'lib/service/workers/pool.ts': Object.keys(MEANINGS).filter(message => message.endsWith('it is killed')),
}

const WORKERS = ['balancer']

/** Programs that write a line, where a source is part of others too that never come to it. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  'request failed': ['sidecar', 'balancer'],
  'hook refused': ['hooks'],
  'handing over': ['sidecar'],
  'handed over': ['sidecar'],
  'the hand-over failed': ['sidecar'],
  'a worker ended, another takes its place': WORKERS,
  'worker listening': WORKERS,
  ...Object.fromEntries((ELSEWHERE['lib/service/workers/pool.ts'] ?? []).map(message => [message, WORKERS])),
}

interface Line extends Omit<LogCall, 'message'> {
  readonly message: string
  readonly source: string
}

/** Log lines of all programs, from their sources. @throws where a message cannot be read from its source */
export function logLines(): Line[] {
  return globSync('{lib,sidecar,balancer,hooks}/**/*.ts', { cwd: ROOT })
    .sort()
    .flatMap(source =>
      logCalls(readFileSync(join(ROOT, source), 'utf8')).flatMap(({ message, ...call }) => {
        const messages = message === undefined ? ELSEWHERE[source] : [message]
        if (!messages)
          throw new Error(`${source}: a log message that is not written in its call; name it in scripts/docs/logs.ts`)
        return messages.map(each => ({ ...call, message: each, source }))
      }),
    )
}

/** The sources that a program consists of: its own and what they import. */
function sourcesOf(program: string): Set<string> {
  const found = new Set<string>()
  const visit = (source: string): void => {
    if (found.has(source)) return
    found.add(source)
    const text = readFileSync(join(ROOT, source), 'utf8')
    for (const [, from = ''] of text.matchAll(
      /(?:^(?:import (?!type)|export |\} )[^'\n]*|\bimport\()'(\.[^']+\.ts)'/gm,
    ))
      visit(normalize(join(dirname(source), from)))
  }
  visit(`${program}/main.ts`)
  return found
}

/** docs/logs.md: each log line that a program can write. @throws where a line has no meaning here, or a meaning no line */
export function logsPage(): string {
  const lines = logLines()
  const missing = [...new Set(lines.map(({ message }) => message))].filter(message => !MEANINGS[message])
  const stale = Object.keys(MEANINGS).filter(message => !lines.some(line => line.message === message))
  if (missing.length + stale.length > 0)
    throw new Error(
      `scripts/docs/logs.ts: no meaning for ${missing.join(', ') || 'none'}; no line for ${stale.join(', ') || 'none'}`,
    )
  const programs = PROGRAMS.map(program => ({ program, sources: sourcesOf(program) }))
  const programsOf = (of: readonly Line[]) =>
    programs.flatMap(({ program, sources }) => (of.some(({ source }) => sources.has(source)) ? [program] : []))
  const rows = Object.entries(MEANINGS)
    .sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
    .map(([message, meaning]) => {
      const of = lines.filter(line => line.message === message)
      const fields = [...new Set(of.flatMap(line => line.fields))]
      return [
        code(message),
        [...new Set(of.flatMap(({ levels }) => levels))].join(', '),
        (ONLY[message] ?? programsOf(of)).join(', '),
        fields.map(code).join(', '),
        meaning,
      ]
    })
  return `<!-- Generated by \`npm run docs\` from the calls of the logger in the sources, and scripts/docs/logs.ts. -->
# Log lines

All programs write JSON lines to standard output: \`level\`, \`time\` (ISO 8601), \`component\`, \`instance\`, \`msg\`, and the fields below. \`err\` is an error with
its stack. \`…\` stands for a part that varies. Lines at \`debug\` appear with \`ws.operator/log-level: debug\` only. Headers with credentials and
query strings are never logged.

${table(['message', 'level', 'program', 'fields', 'meaning'], rows)}
`
}
