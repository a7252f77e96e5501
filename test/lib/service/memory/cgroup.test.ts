import t from 'tap'
import { memoryReader } from '../../../../lib/service/memory/cgroup.ts'

const SYSTEMS = {
  v2: {
    '/proc/self/cgroup': '0::/kubepods/pod1/c1\n',
    '/sys/fs/cgroup/kubepods/pod1/c1/memory.current': '1000\n',
    '/sys/fs/cgroup/kubepods/pod1/c1/memory.stat': 'anon 500\nsock 300\ninactive_file 100\n',
  },
  'v2 in a container, where its own cgroup is the root': {
    '/proc/self/cgroup': '0::/\n',
    '/sys/fs/cgroup/memory.current': '1000\n',
    '/sys/fs/cgroup/memory.stat': 'sock 300\ninactive_file 100\n',
  },
  'v1, which keeps sockets apart': {
    '/proc/self/cgroup': '9:name=systemd:/\n4:memory:/pod1/c1\n0::/\n',
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': '700\n',
    '/sys/fs/cgroup/memory/memory.kmem.tcp.usage_in_bytes': '300\n',
    '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 100\n',
  },
}

for (const [name, files] of Object.entries(SYSTEMS))
  t.test(name, async t => {
    const read = memoryReader(path => {
      const text = (files as Record<string, string>)[path]
      if (text === undefined) throw new Error(`ENOENT: ${path}`)
      return text
    })
    t.strictSame(read(), { used: 900, sockets: 300 })
  })

t.test('where the system does not say: undefined, each time', async t => {
  const nothing = memoryReader(() => {
    throw new Error('ENOENT')
  })
  t.equal(nothing(), undefined)
  const odd = memoryReader(path => (path === '/proc/self/cgroup' ? '0::/\n' : 'max'))
  t.equal(odd(), undefined)
})
