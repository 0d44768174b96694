//! What the labs' scripts run within another kernel: each claim about the label models is a word, and
//! holds where this exits with 0. What does not hold is a panic that says so.
#![forbid(unsafe_code)]

mod apparmor;
mod child;
mod common;
mod machine;
mod selinux;
mod smack;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["child", ref paths @ ..] => child::run(paths),
        ["smack-child", label, ref paths @ ..] => smack::become_and_run(label, paths),
        ["selinux-none"] => selinux::no_policy_is_no_selinux(),
        ["selinux-load", policy] => selinux::load(policy),
        ["selinux-facts", mode] => selinux::facts_are_right(mode == "enforcing"),
        ["selinux-types"] => selinux::tell_the_types(),
        ["selinux-may", source, target, class, permission] => {
            selinux::tell_whether(source, target, class, permission);
        }
        ["selinux-permitted"] => selinux::many_questions_are_answered(),
        ["selinux-policy"] => selinux::the_policy_answers(),
        ["selinux-child"] => selinux::a_child_gets_its_label(),
        ["selinux-later"] => selinux::a_label_is_written_without_procfs(),
        ["selinux-covered"] => selinux::a_covered_attribute_is_refused(),
        ["selinux-tree", root] => selinux::a_tree_is_labelled_and_put_back(root),
        ["selinux-mounted", root] => selinux::a_mount_in_a_tree_is_refused(root),
        ["selinux-context", file] => selinux::a_mount_with_a_context_keeps_no_other(file),
        ["apparmor-confined", parser] => apparmor::a_confined_launcher_is_said_to_be(parser),
        ["apparmor-confined-facts"] => apparmor::this_is_confined(),
        ["apparmor-facts"] => apparmor::facts_are_right(),
        ["apparmor-compile", parser] => apparmor::a_text_is_compiled_once(parser),
        ["apparmor-load", parser] => apparmor::a_profile_is_loaded_compared_and_removed(parser),
        ["apparmor-child", parser] => apparmor::a_child_gets_its_profile(parser),
        ["selinux-machine"] => selinux::a_machine_is_labelled(),
        ["apparmor-machine"] => apparmor::a_machine_gets_its_profile(),
        ["smack-machine"] => smack::a_machine_is_labelled(),
        ["smack-facts"] => smack::facts_are_right(),
        ["smack-rules"] => smack::rules_are_what_the_kernel_has(),
        ["smack-child-claim"] => smack::a_child_gets_its_label(),
        ["smack-capable"] => smack::capabilities_can_be_kept_from_other_labels(),
        _ => panic!("{words:?} is no claim"),
    }
}
