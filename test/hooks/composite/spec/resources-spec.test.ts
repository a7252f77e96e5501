import t from 'tap'
import { resourcesOf } from '../../../../hooks/composite/spec/resources.ts'
import { DEFAULT_RESOURCES, resources } from '../../../../hooks/composite/spec/resources-spec.ts'
import { problems } from './cel-model.ts'

t.test('a quantity that the API server takes is one that the hooks can read', async t => {
  for (const cpu of [1, 999_999, '1', '250m', '0.5', '0.25', '1.125', '999999m']) {
    t.strictSame(problems(resources, { requests: { cpu } }), [], `${cpu}`)
    t.doesNotThrow(() => resourcesOf({ requests: { cpu } }), `${cpu}`)
  }
  for (const memory of ['1Ki', '64Mi', '1Gi', '999999999Ki']) {
    t.strictSame(problems(resources, { limits: { memory } }), [], memory)
    t.doesNotThrow(() => resourcesOf({ limits: { memory } }), memory)
  }
})

t.test('a quantity of another form is refused at its path', async t => {
  for (const cpu of ['', '0', '01', '-1', '1 m', '1e3', '.5', '1.1234', '1000000', 0, 1_000_000, 0.5, true]) {
    const found = problems(resources, { requests: { cpu } })
    t.ok(found.length > 0 && found.every(path => path.startsWith('/requests/cpu')), `${cpu}: ${found}`)
  }
  for (const memory of ['', '0Mi', '64', '64M', '1.5Gi', '064Mi', '1000000000Ki', 64]) {
    const found = problems(resources, { limits: { memory } })
    t.ok(found.length > 0 && found.every(path => path === '/limits/memory'), `${memory}: ${found}`)
  }
})

t.test('no request is above its limit, however both are written', async t => {
  for (const [resource, request, limit, fits] of [
    ['cpu', '500m', 1, true],
    ['cpu', 1, '1000m', true],
    ['cpu', 2, '1999m', false],
    ['cpu', '0.5', '499m', false],
    ['memory', '1024Mi', '1Gi', true],
    ['memory', '1025Mi', '1Gi', false],
  ] as const) {
    const given = { requests: { [resource]: request }, limits: { [resource]: limit } }
    const expected = fits ? [] : [`requests.${resource} must not be above limits.${resource}`]
    t.strictSame(problems(resources, given), expected, `${request} and ${limit}`)
  }
})

t.test('a request without its limit, or a limit without its request, is taken', async t => {
  for (const given of [
    {},
    { requests: {} },
    { requests: { cpu: 4 }, limits: { memory: '1Gi' } },
    { requests: { memory: '2Gi' }, limits: { cpu: 1 } },
    { limits: {} },
  ]) {
    t.strictSame(problems(resources, given), [], JSON.stringify(given))
  }
})

t.test('the defaults are quantities that a user could have written', async t => {
  t.strictSame(problems(resources, DEFAULT_RESOURCES), [])
})
