import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { ANNOTATIONS } from '../../hooks/annotations/annotations.ts'
import { REFUSALS } from '../../hooks/decorator/refusals.ts'
import { type Json, mergePatch, recorded, startHooks } from './helper.ts'

/**
 * Each folder of golden/ is a case: request.json names a recorded request, a patch of it and the hook, response.json is the
 * answer. `UPDATE=1` writes the answers anew; then read the diff.
 */
interface Case {
  readonly hook: string
  readonly recorded: string
  readonly patch?: Json
}

const folder = new URL('golden/', import.meta.url)
const cases = readdirSync(folder).sort()
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8')

const { app } = await startHooks(t)

for (const name of cases) {
  t.test(name, async t => {
    const request = JSON.parse(read(`${name}/request.json`)) as Case
    const payload = mergePatch(recorded(request.recorded), request.patch) as object
    const response = await app.inject({ method: 'POST', url: request.hook, payload })
    t.equal(response.statusCode, 200)
    const text = `${JSON.stringify(response.json(), null, 2)}\n`
    if (process.env['UPDATE']) writeFileSync(new URL(`${name}/response.json`, folder), text)
    t.equal(text, read(`${name}/response.json`))
  })
}

t.test('every recorded request, every annotation and every refusal has a case', async t => {
  const requests = cases.map(name => read(`${name}/request.json`)).join('\n')
  const answers = cases.map(name => read(`${name}/response.json`)).join('\n')
  for (const file of readdirSync(new URL('recorded/', import.meta.url))) {
    t.ok(cases.includes(`recorded-${file.replace('.json', '')}`), file)
  }
  for (const annotation of Object.keys(ANNOTATIONS)) {
    t.match(requests, `"ws.operator/${annotation}"`, annotation)
  }
  for (const reason of Object.keys(REFUSALS)) {
    t.ok(
      cases.some(
        name => name.startsWith(`refused-${reason}`) || (reason === 'annotations' && /^refused-anno/.test(name)),
      ),
      reason,
    )
  }
  for (const status of ['Pending', 'Injected', 'Refused', 'RemovalBlocked']) {
    t.match(answers, `"ws.operator/status": "${status}"`, status)
  }
})
