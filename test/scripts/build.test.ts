import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { buildAll } from '../../scripts/build.ts'

t.test('no program loads what it does not use of Node', async t => {
  const dir = t.testdir({
    'list.cjs': "process.on('exit', () => console.error(process.moduleLoadList.join('\\n')))",
  })
  const out = join(dir, 'out')
  await buildAll(out)
  for (const program of ['hooks', 'sidecar', 'balancer']) {
    const args = ['--require', join(dir, 'list.cjs'), join(out, `${program}.js`), '--help']
    const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: {}, timeout: 20_000 })
    t.match(stderr, /NativeModule http$/m, 'the list is there')
    t.notMatch(stderr, /undici/, program)
  }
})

t.test('each program is one file that needs no packages beside it', async t => {
  const dir = t.testdir()
  const out = join(dir, 'out')
  const bundles = await buildAll(out)
  t.same(readdirSync(out).sort(), [
    'THIRD-PARTY-LICENSES',
    'balancer.js',
    'examples',
    'hooks.js',
    'package.json',
    'sidecar.js',
  ])
  t.ok(
    bundles.every(({ size }) => size > 10_000 && size < 4_000_000),
    'nothing large has slipped in',
  )
  for (const program of ['hooks', 'sidecar', 'balancer']) {
    const file = join(out, `${program}.js`)
    const run = (env: NodeJS.ProcessEnv, ...args: string[]) =>
      spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', env, timeout: 20_000 })
    const help = run({}, '--help')
    t.match(help, { status: 0, stderr: '' }, `${program} --help`)
    t.ok(help.stdout.startsWith(`${program}: `))
    const bad = run({ WS_OPERATOR_PORT: 'x' })
    t.equal(bad.status, 2, `${program} runs, and checks its configuration`)
    t.match(bad.stderr, /WS_OPERATOR_PORT/)
    // Packages that a bundle leaves out would be asked for from there, and Node's own are all that there is.
    const source = readFileSync(file, 'utf8')
    const imported = [...source.matchAll(/^import .* from ["']([^"']+)["'];?$/gm)].map(([, name]) => name ?? '')
    t.same(
      imported.filter(name => !name.startsWith('node:') && !isBuiltin(name)),
      [],
    )
  }
})
