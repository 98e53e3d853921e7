#!/usr/bin/env python3
"""Shows check_layers.py small trees with one fault each."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).with_name("check_layers.py")


class CheckLayersTest(unittest.TestCase):
    """Each test writes a tree and reads what the check says of it."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def check(self, *options: str) -> list[str]:
        """The violations found; fails where the exit status disagrees with them."""
        done = subprocess.run(
            [sys.executable, CHECK, "--root", self.root, *options],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        violations = done.stdout.splitlines()[1:]
        self.assertEqual(done.returncode, 1 if violations else 0, done)
        return violations

    def assert_include(self, file: str, include: str, wrong: str | None) -> None:
        self.write(file, f"#include {include}\n")
        violations = self.check()
        if wrong is None:
            self.assertEqual(violations, [])
        else:
            self.assertEqual(len(violations), 1, violations)
            self.assertIn(f"{file}:1: ", violations[0])
            self.assertIn(wrong, violations[0])

    def test_includes_may_point_down_and_into_the_same_folder(self) -> None:
        for header in ("base/fd.h", "memory/x.h", "devices/x.h", "kvm/x.h", "vmm/x.h"):
            self.assert_include("vmm/vm.cc", f'"{header}"', None)

    def test_includes_upwards_are_found(self) -> None:
        self.assert_include("memory/x.h", '"devices/bus.h"', "above")

    def test_includes_sideways_are_found(self) -> None:
        self.assert_include("virtio/x.h", '"kvm/vm.h"', "beside")
        self.assert_include("virtio/x.h", '"firmware/boot.h"', "beside")

    def test_includes_of_tests_are_for_tests(self) -> None:
        self.assert_include("base/x.cc", '"tests/base/fake_clock.h"', "test's")
        self.write("base/x.cc", "")
        self.assert_include("tests/vmm/x.cc", '"tests/base/fake_clock.h"', None)

    def test_jailer_stands_on_base_alone(self) -> None:
        self.assert_include("jailer/x.cc", '"memory/layout.h"', "base/ alone")
        self.assert_include("jailer/x.cc", '"base/fd.h"', None)

    def test_headers_of_an_architecture_stay_in_its_folders(self) -> None:
        self.assert_include("vmm/board.cc", '"memory/x86_64/layout.h"', "of one architecture")
        self.assert_include("vmm/board.cc", '"memory/layout.h"', None)
        self.assert_include("vmm/x86_64/board.cc", '"memory/x86_64/layout.h"', None)
        self.assert_include("vmm/x86_64/board.cc", '"memory/aarch64/layout.h"', "of one architecture")
        self.write("vmm/x86_64/board.cc", "")
        self.assert_include("tests/memory/layout_test.cc", '"memory/x86_64/layout.h"', "of one architecture")
        self.write("tests/memory/layout_test.cc", "")
        self.assert_include("tests/payload/guest.cc", '"kvm/x86_64/cpuid.h"', None)

    def test_relative_includes_are_found(self) -> None:
        self.assert_include("base/x.cc", '"fd.h"', "not a path from the root")

    def test_foreign_headers_stay_in_their_homes(self) -> None:
        for header, home, elsewhere in (
            ("linux/kvm.h", "kvm/vm.cc", "vmm/vm.cc"),
            ("nlohmann/json.hpp", "vmm/config_json.cc", "vmm/config.cc"),
            ("nlohmann/json.hpp", "api/machine_json.cc", "api/server.cc"),
            ("boost/asio/buffer.hpp", "api/request_parser.cc", "base/event_loop.h"),
            ("boost/beast/http.hpp", "api/session.cc", "vmm/vm.cc"),
            ("libfdt.h", "firmware/fdt_builder.cc", "firmware/acpi.cc"),
        ):
            with self.subTest(header=header, elsewhere=elsewhere):
                self.assert_include(home, f"<{header}>", None)
                self.assert_include(elsewhere, f"<{header}>", "may be included only in")
                self.assert_include(elsewhere, f'"{header}"', "may be included only in")
                self.write(elsewhere, "")

    def test_conditions_on_the_architecture_are_found_outside_its_folder(self) -> None:
        self.write("memory/x.cc", "#if defined(__x86_64__)\n#endif\n")
        self.assertEqual(len(self.check()), 1)
        self.write("memory/x.cc", "")
        self.write("memory/x86_64/x.cc", "#if defined(__x86_64__)\n#endif\n")
        self.assertEqual(self.check(), [])

    def test_leftovers_are_found(self) -> None:
        self.write("base/x.cc", "// TO" "DO: more\n")
        self.assertEqual(len(self.check()), 1)

    def test_files_are_bounded_in_length(self) -> None:
        self.write("base/x.cc", "\n" * 600)
        self.assertEqual(self.check(), [])
        self.write("base/x.cc", "\n" * 601)
        self.assertIn("601 lines exceed the limit 600", self.check()[0])

    def test_header_that_needs_another_first_is_found(self) -> None:
        self.write("base/whole.h", "#include <string>\ninline std::string F() { return {}; }\n")
        self.assertEqual(self.check("--headers"), [])
        self.write("base/half.h", "inline std::string F() { return {}; }\n")
        self.assertIn("base/half.h:1: does not compile alone", self.check("--headers")[0])


if __name__ == "__main__":
    unittest.main()
