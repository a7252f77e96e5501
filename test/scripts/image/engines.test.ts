import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const script = join(import.meta.dirname, '../../../scripts/image.ts')

// Each engine is a script that notes how it was called: none of them can be expected on the machine.
for (const engine of ['docker', 'podman', 'buildah']) {
  t.test(`${engine} builds on the base that the Dockerfile pins, or on the one that is given`, async t => {
    const dir = t.testdir({ [engine]: `#!/bin/sh\necho "$*" >> "$CALLS"\n` })
    const run = (calls: string, ...args: string[]) => {
      spawnSync('chmod', ['+x', join(dir, engine)])
      const env = { PATH: `${dir}:${process.env['PATH']}`, CALLS: join(dir, calls) }
      const result = spawnSync(process.execPath, [script, join(dir, 'out.tar'), '--with', engine, ...args], {
        encoding: 'utf8',
        env,
      })
      t.match(result, { status: 0, stderr: '' }, result.stderr)
      return readFileSync(join(dir, calls), 'utf8')
    }
    const pinned = run('pinned')
    t.match(pinned, /inspect .*docker\.io\/library\/node:24\S+@sha256:[0-9a-f]{64}$/m)
    t.notMatch(pinned, /--build-arg/)
    const given = run('given', '--base', 'mirror.example/node:24')
    t.match(given, /inspect .*mirror\.example\/node:24$/m)
    t.match(given, /^build .*--build-arg NODE_IMAGE=mirror\.example\/node:24 .*--target ws-operator /m)
  })
}
