//! Those who ask a supervisor, and what each is granted.

use super::{
    Reply, Service,
    client::{Client, Line, Role},
};
use crate::{
    Happened,
    supervisor::{Request, request::REQUEST_TIME},
};
use std::time::Instant;

/// Connections at the same time; more are turned away, unless one has not yet said what it wants.
const CLIENTS_MAX: usize = 64;
/// Of these so many may sit at the console: who is to stop the machine finds room.
const ATTACHED_MAX: usize = 32;

impl Service {
    pub(super) fn accept(&mut self) {
        let Some(listener) = &self.live.listener else { return };
        let Ok((stream, _)) = listener.accept() else { return };
        let ours = rustix::net::sockopt::socket_peercred(&stream)
            .is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid());
        if !ours {
            return;
        }
        let until = Instant::now() + REQUEST_TIME;
        let mut client = Client::new(stream, Role::New(until));
        // Whoever says nothing keeps nobody out who does.
        let silent = self.clients.iter().position(|client| client.deadline().is_some());
        match silent {
            _ if self.clients.len() < CLIENTS_MAX => self.clients.push(client),
            Some(oldest) => {
                if let Some(oldest) = self.clients.get_mut(oldest) {
                    oldest.role = Role::Gone;
                }
                self.clients.push(client);
            }
            None => client.reply(&Reply::Refused("it has too many connections".into())),
        }
    }

    pub(super) fn client(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let mut bytes = [0; 4096];
        let Some(said) = client.read(&mut bytes) else { return };
        match &client.role {
            Role::New(_) | Role::Open | Role::Asked(_) | Role::Saver => {
                client.keep(said);
                self.asked(index);
            }
            Role::Attached => {
                if let Some(console) = &mut self.live.console {
                    console.write(said);
                }
            }
            // Whoever waits has nothing to say.
            Role::Waiting | Role::Watching | Role::Gone => {}
        }
    }

    /// Grants what a client asks for, one thing after the other.
    pub(super) fn asked(&mut self, index: usize) {
        while let Some(client) = self.clients.get_mut(index)
            && matches!(client.role, Role::New(_) | Role::Open | Role::Saver)
        {
            match client.line() {
                Line::Part => return,
                Line::TooLong => self.refuse(index, "the request is too long"),
                Line::Whole(line) => match serde_json::from_slice(&line) {
                    Ok(request) => self.grant(index, request),
                    Err(_) => {
                        self.refuse(index, "the request is not one that this version knows");
                    }
                },
            }
        }
    }

    fn grant(&mut self, index: usize, request: Request) {
        match request {
            Request::Wait => self.turn_into(index, Role::Waiting, &Reply::Granted),
            Request::Stop { acpi, terminate } => {
                self.stop(acpi, terminate);
                self.turn_into(index, Role::Waiting, &Reply::Granted);
            }
            Request::Press { anew } => self.press(index, anew),
            Request::Watch => self.show(index),
            Request::Save => self.save(index),
            Request::Saved { managed } => self.end_saved(index, managed),
            Request::Console => self.attach(index),
            Request::Monitor { command, arguments } => self.ask(index, &command, &arguments),
        }
    }

    fn show(&mut self, index: usize) {
        let now = Happened::State(self.news.state);
        self.turn_into(index, Role::Watching, &Reply::Granted);
        if let Some(client) = self.clients.get_mut(index) {
            client.tell(&now);
        }
    }

    fn attach(&mut self, index: usize) {
        let Some(missed) = self.live.console.as_ref().map(|console| console.replay()) else {
            return self.refuse(index, "the machine has no console");
        };
        let sits = |client: &&Client| matches!(client.role, Role::Attached);
        if self.clients.iter().filter(sits).count() >= ATTACHED_MAX {
            return self.refuse(index, "too many sit at its console already");
        }
        self.turn_into(index, Role::Attached, &Reply::Granted);
        if let Some(client) = self.clients.get_mut(index) {
            client.say(&missed);
        }
    }

    pub(super) fn refuse(&mut self, index: usize, why: &str) {
        self.turn_into(index, Role::Gone, &Reply::Refused(why.to_owned()));
    }

    pub(super) fn turn_into(&mut self, index: usize, role: Role, reply: &Reply) {
        if let Some(client) = self.clients.get_mut(index) {
            client.reply(reply);
            // One that is too far behind to hear that is gone already.
            if !matches!(client.role, Role::Gone) {
                client.role = role;
            }
        }
    }
}
