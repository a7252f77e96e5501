// Runs a program of this repository with the Node and the packages it needs, installing them first where they are
// missing or older than the lock file. Plain JavaScript for Node ≥ 20, because it runs before anything is installed.
//
//   node scripts/with-deps.mjs PROGRAM [ARG ...]
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const changed = file => (existsSync(file) ? statSync(file).mtimeMs : 0)

// npm writes both files within moments of each other; a lock file that came later than that came with a `git pull`.
const tolerance = 5000
if (changed(join(modules, '.package-lock.json')) + tolerance < changed(join(root, 'package-lock.json'))) {
  console.error('ws-operator: installing packages (npm ci), about half a minute the first time …')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  // No package of ours needs an install script to run.
  const install = spawnSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (install.status !== 0) {
    console.error(
      `ws-operator: npm ci failed (${install.error?.message ?? `exit code ${install.status}`}). ` +
        'Is the npm registry reachable from here? Then run the command again.',
    )
    process.exit(1)
  }
}

// The package that carries Node for this platform puts its binary here; where none exists, the caller's own must do.
const carried = join(modules, '.bin', process.platform === 'win32' ? 'node.exe' : 'node')
const node = existsSync(carried) ? carried : process.execPath
if (node === process.execPath && Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `ws-operator: Node ${process.versions.node} is too old and npm has no Node 24 for ${process.platform}-${process.arch}. ` +
      'Install Node 24 or later and run the command again.',
  )
  process.exit(1)
}

const [program, ...args] = process.argv.slice(2)
// As in `npm test`: lent chunks are useless after their event (lib/bridge/socket/read-buffer.ts).
const forTests = program?.startsWith('test/') ? { WS_OPERATOR_POISON_READS: '1' } : {}
const child = spawn(node, [join(root, program ?? ''), ...args], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...forTests,
    ...process.env,
    PATH: `${join(modules, '.bin')}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`,
  },
})
// A terminal sends Ctrl-C to the program as well, and a second one would mean "now"; any other signal was meant for it.
process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
