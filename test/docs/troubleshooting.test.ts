import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readSettings } from '../../hooks/annotations/read-annotations.ts'
import { READY_REASONS } from '../../hooks/composite/status/status.ts'
import { REFUSALS } from '../../hooks/decorator/refusals.ts'
import { CLOSE } from '../../lib/websocket/close-codes.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const page = read('docs/troubleshooting.md')
/** First cells of the tables. */
const first = page.split('\n').flatMap(line => /^\| ([^|]*) \|/.exec(line)?.[1] ?? [])

t.test('every refusal, reason and status has its row', async t => {
  const said = first.join(' ')
  for (const word of [...Object.keys(REFUSALS), ...Object.keys(READY_REASONS), 'Contested'])
    t.match(said, `\`${word}\``, word)
  for (const status of ['Pending', 'Injected', 'Refused', 'RemovalBlocked']) t.match(said, `\`${status}\``)
})

t.test('every close code that is sent has its row', async t => {
  const { GOING_AWAY, PROTOCOL_ERROR, POLICY_VIOLATION, TOO_BIG, SERVICE_RESTART, TRY_AGAIN_LATER } = CLOSE
  for (const code of [GOING_AWAY, PROTOCOL_ERROR, POLICY_VIOLATION, TOO_BIG, SERVICE_RESTART, TRY_AGAIN_LATER])
    t.ok(first.includes(String(code)), String(code))
})

t.test('a limit that refuses clients is cured by one command, whose value is allowed', async t => {
  const commands = [...page.matchAll(/`kubectl annotate deployment NAME (ws\.operator\/[a-z-]+)=(\d+)`/g)]
  for (const [, annotation = '', value = ''] of commands) {
    t.strictSame(readSettings({ [annotation]: value }), {
      ok: true,
      settings: { [annotation.replace('ws.operator/', '')]: Number(value) },
    })
  }
  const cured = commands.map(([, annotation]) => annotation)
  const errors = read('docs/errors.md')
  for (const [status, of] of [
    ['431', errors],
    ['504', errors],
    ['1009', page],
  ] as const) {
    const row = of.split('\n').find(line => line.startsWith(`| ${status} |`)) ?? ''
    const [, named = ''] = /`(ws\.operator\/[a-z-]+)`\]\([a-z.]*#raise-a-limit\)/.exec(row) ?? []
    t.ok(cured.includes(named), `${status}: ${named}`)
  }
  t.match(errors, /\| 502 \| `WSO_ERR_UPSTREAM_FAILED` .*`ws\.operator\/max-header-bytes`\]\([a-z.]*#raise-a-limit\)/)
})

t.test('settings and annotations that are named exist', async t => {
  const settings = read('docs/configuration.md')
  for (const [name] of page.matchAll(/WS_OPERATOR_[A-Z_]+[A-Z]/g)) t.match(settings, name)
  const annotations = read('docs/annotations.md')
  for (const [name] of page.matchAll(/ws\.operator\/[a-z-]+/g)) t.match(`${annotations} ws.operator/enable`, name)
})
